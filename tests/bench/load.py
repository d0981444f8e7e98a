"""The load generators: wrk, and a client that sends exactly so many requests."""

import contextlib
import http.client
import os
import pathlib
import re
import socket
import ssl
import subprocess
import threading
import time

import machine

HERE = pathlib.Path(__file__).resolve().parent
MILLISECONDS = {"us": 0.001, "ms": 1, "s": 1000}
POST_BODY = b"0123456789abcdef" * 640  # what echo.lua sends


def trusting():
    """A TLS client that believes every certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def check(server, path, size, headers=None, status=200):
    """One request, whose answer must be as long as that, as it is sent: what is measured afterwards is the right thing.
    Returns the answer's header fields."""
    if server.tls:
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=10, context=trusting())
    else:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    with contextlib.closing(connection):
        connection.request(*(("POST", path, POST_BODY) if path == "/echo" else ("GET", path)), headers=headers or {})
        response = connection.getresponse()
        body = response.read()
    if response.status != status or (size is not None and len(body) != size):
        raise machine.Failure(f"{server.kind} answers {path} with {response.status} and {len(body)} bytes, not {size}")
    return response.headers


def percentile(out, which):
    """Of wrk's table of latencies, in ms."""
    value, unit = re.search(rf"{which}%\s+([\d.]+)(us|ms|s)", out).groups()
    return float(value) * MILLISECONDS[unit]


def note_errors(server, path, connections, out):
    """What wrk counted besides good answers goes under the tables."""
    kinds = ["answers that are not 2xx"] if "Non-2xx" in out else []
    socket_errors = re.search(r"Socket errors: (.*)", out)
    if socket_errors:
        counted = re.findall(r"(\w+) (\d+)", socket_errors[1])
        kinds += [f"{kind} errors" for kind, count in counted if count != "0"]
    if kinds:
        server.session.note(f"{server.kind}, {path}, {connections} connections: {', '.join(kinds)}")


def wrk(server, path, connections, cpus="1", seconds=None, headers=None):
    """One run of wrk with one thread: requests a second, latencies in ms, CPU microseconds a request. headers: more of each
    request's."""
    seconds = seconds or server.session.seconds
    pinned = ["taskset", "-c", cpus] if cpus else []
    script = ["--script", HERE / "echo.lua"] if path == "/echo" else []
    script += [word for name, value in (headers or {}).items() for word in ("--header", f"{name}: {value}")]
    pids = machine.process_tree(server.process.pid)
    all_before, server_before, began = machine.machine_seconds(), machine.cpu_seconds(pids), time.monotonic()
    process = subprocess.Popen([*pinned, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *script,
                                f"{'https' if server.tls else 'http'}://127.0.0.1:{server.port}{path}"], stdout=subprocess.PIPE, text=True)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    used = machine.cpu_seconds(pids) - server_before
    client = usage.ru_utime + usage.ru_stime
    note_disturbance(server.session, machine.machine_seconds() - all_before - used - client, time.monotonic() - began)
    if process.returncode != 0:
        raise machine.Failure(f"wrk failed:\n{out}")
    note_errors(server, path, connections, out)
    requests = int(re.search(r"(\d+) requests in", out)[1])
    return {"rate": float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]), "requests": requests,
            "cpu": used / requests * 1e6, "client_cpu": client / requests * 1e6, "p50": percentile(out, 50),
            "p99": percentile(out, 99)}


def note_disturbance(session, others, duration):
    """Remember the share of the machine's CPUs that neither server nor client used."""
    session.disturbances.append(others / duration / os.cpu_count())


@contextlib.contextmanager
def in_background(function, *arguments):
    """The function runs beside the block, which is left when both are done. Yields a list for its result."""
    result = []
    thread = threading.Thread(target=lambda: result.append(function(*arguments)))
    thread.start()
    try:
        yield result
    finally:
        thread.join()


def exactly(port, count, connections):
    """So many requests as wrk sends them, in turns over kept-alive connections: the same work every time."""
    request = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % port
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
                 for _ in range(connections)]
        for _ in range(count // connections):
            for peer in peers:
                peer.sendall(request)
            for peer in peers:
                answer = b""
                while not answer.endswith(b"Hello, World!"):
                    piece = peer.recv(4096)
                    if not piece:
                        raise machine.Failure("the server closed a connection")
                    answer += piece
