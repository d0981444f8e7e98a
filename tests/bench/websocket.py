"""Load on WebSockets, by websocket_load.c, which is compiled when it is first asked for."""

import contextlib
import json
import subprocess
import time

import load
import machine
import servers

SOURCE = servers.HERE / "websocket_load.c"


def client(session):
    """The program."""
    output = session.folder / "websocket_load"
    if not output.exists():
        subprocess.run(["cc", "-O2", "-std=gnu17", "-o", output, SOURCE], check=True)
    return output


def echo(server, connections, size):
    """One run on CPU 1: messages a second, latencies in ms, CPU microseconds a message."""
    session = server.session
    command = ["taskset", "-c", "1", client(session), "--connections", connections, "--seconds", session.seconds,
               "--size", size, server.port, "/"]
    pids = machine.process_tree(server.process.pid)
    all_before, server_before, began = machine.machine_seconds(), machine.cpu_seconds(pids), time.monotonic()
    run = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, check=True, text=True)
    used = machine.cpu_seconds(pids) - server_before
    figures = json.loads(run.stdout)
    load.note_disturbance(session, machine.machine_seconds() - all_before - used - figures["cpu_seconds"],
                          time.monotonic() - began)
    if figures["messages"] == 0:
        raise machine.Failure(f"{server.kind} sent no message back")
    return {"rate": figures["rate"], "cpu": used / figures["messages"] * 1e6, "p50": figures["p50_us"] / 1000,
            "p99": figures["p99_us"] / 1000}


@contextlib.contextmanager
def idle(server, count):
    """So many WebSockets are open while the block runs."""
    with subprocess.Popen([client(server.session), "--idle", str(count), str(server.port), "/"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()  # when all are there
            if not line:
                raise machine.Failure(f"{server.kind} did not keep {count} WebSockets")
            yield
        finally:
            process.stdin.close()
