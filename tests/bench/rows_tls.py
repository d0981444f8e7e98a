"""Rows about HTTPS, with nginx and its OpenSSL as the limit; the certificate is ECDSA P-256 unless a row says otherwise."""

import subprocess
import sys

import load
import machine
import servers
import table
from rows_load import BUSY_CONNECTIONS, HELLO_BYTES, interleaved

CLIENT = servers.HERE / "tls_client.py"
CONTESTANTS = [("limpet", "hello"), ("nginx", "hello")]

# --- requests on kept connections ---

KEPT_AIM = table.at_least(85, "{}%")


def kept(session, card):
    """13 bytes over HTTPS from one worker."""

    def measure(kind, application):
        with servers.Server(session, kind, application, tls="ecdsa") as server:
            load.check(server, "/", HELLO_BYTES)
            return load.wrk(server, "/", BUSY_CONNECTIONS)

    results = {kind: rounds for (kind, _), rounds in interleaved(session, CONTESTANTS, measure).items()}
    rows = []
    for kind, rounds in results.items():
        share = table.ratio(rounds, results["nginx"]) * 100
        rows.append([servers.LABELS[kind], f"{table.median(rounds, 'rate'):,.0f}", f"{share:.1f}%",
                     card.judge("13 bytes over HTTPS", KEPT_AIM, share) if kind == "limpet" else "",
                     f"{table.median(rounds, 'cpu'):.2f}", f"{table.median(rounds, 'p99'):.2f}"])
    card.table(f"13 bytes over HTTPS (TLS 1.3), {BUSY_CONNECTIONS} kept connections, 1 worker on CPU 0",
               ["server", "requests/s", "of nginx", "aim", "CPU us a request", "p99 ms"], rows)


# --- handshakes ---

CONNECTIONS = 2000
NEW_AIM, RESUMED_AIM = table.at_most(2, "{} times"), table.at_most(1.2, "{} times")
# What is connected: label, kind of key, arguments of the client, aim.
HANDSHAKES = [
    ("TLS 1.3, new", "ecdsa", [], NEW_AIM),
    ("TLS 1.3, resumed", "ecdsa", ["--resume"], RESUMED_AIM),
    ("TLS 1.2, new", "ecdsa", ["--tls", "1.2"], None),
    ("TLS 1.2, resumed", "ecdsa", ["--tls", "1.2", "--resume"], None),
    ("TLS 1.3, new, RSA 2048", "rsa:2048", [], None),
]


def connect(server, arguments):
    """CPU microseconds of the server for a connection with one request."""
    pids = machine.process_tree(server.process.pid)
    before = machine.cpu_seconds(pids)
    subprocess.run(["taskset", "-c", "1", sys.executable, CLIENT, str(server.port), "connect", str(CONNECTIONS),
                    *arguments], check=True)
    return {"cpu": (machine.cpu_seconds(pids) - before) / CONNECTIONS * 1e6}


def handshakes(session, card):
    """What a new connection costs the server, with one request on it; and a plain one for comparison."""

    def measure(kind, application, what):
        _, key, arguments, _ = HANDSHAKES[what]
        with servers.Server(session, kind, application, tls=key) as server:
            return connect(server, arguments)

    contestants = [(*contestant, what) for what in range(len(HANDSHAKES)) for contestant in CONTESTANTS]
    results = interleaved(session, contestants, measure)
    rows = []
    for what, (label, _, _, aim) in enumerate(HANDSHAKES):
        ours, theirs = (results[(*contestant, what)] for contestant in CONTESTANTS)
        times = table.ratio(ours, theirs, "cpu")
        rows.append([label, f"{table.median(ours, 'cpu'):.0f}", f"{table.median(theirs, 'cpu'):.0f}", f"{times:.2f}",
                     card.judge(label, aim, times) if aim else ""])
    card.table(f"CPU us for a connection with one request, {CONNECTIONS:,} one after the other, 1 worker on CPU 0",
               ["handshake", "limpet", "nginx", "times nginx", "aim"], rows)


# --- large bodies ---

MEGABYTE = 1 << 20
BULK_CONNECTIONS = 8
BULK_AIM = table.at_least(60, "{}%")
BULK = {"/megabyte": "one object", "/large": "wsgi.file_wrapper", "/generator-1m": "generator, 16 of 64 KB"}


def bulk(session, card):
    """1 MB bodies over HTTPS, beside nginx's static file of that size."""

    def measure(kind, application, path):
        with servers.Server(session, kind, application, tls="ecdsa") as server:
            load.check(server, path, MEGABYTE)
            return load.wrk(server, path, BULK_CONNECTIONS)

    contestants = [("nginx", "answers", "/large")] + [("limpet", "answers", path) for path in BULK]
    results = interleaved(session, contestants, measure)
    limit = results[contestants[0]]
    rows = []
    for kind, application, path in contestants:
        rounds = results[kind, application, path]
        share = table.ratio(rounds, limit) * 100
        rate = table.median(rounds, "rate") * MEGABYTE / 1e6
        rows.append([f"limpet, {BULK[path]}" if kind == "limpet" else "nginx, static file", f"{rate:,.0f}",
                     f"{share:.1f}%", card.judge(f"HTTPS, {BULK[path]}", BULK_AIM, share) if kind == "limpet" else "",
                     f"{table.median(rounds, 'cpu'):.0f}"])
    card.table(f"1 MB over HTTPS, {BULK_CONNECTIONS} connections, 1 worker on CPU 0",
               ["answer", "MB/s", "of nginx's file", "aim", "CPU us a request"], rows)


# --- idle connections ---

IDLE_CONNECTIONS = 5000
IDLE_AIM = table.at_most(20, "{} KB")


def idle(session, card):
    """Memory of the worker for a connection that has had one request and waits for the next."""
    rows = []
    for kind, application in CONTESTANTS:
        session.progress(f"idle TLS connections: {kind}")
        with servers.Server(session, kind, application, cpus=None, tls="ecdsa") as server:
            connect(server, [])
            before = machine.resident_mb(server.worker())
            with subprocess.Popen([sys.executable, CLIENT, str(server.port), "hold", str(IDLE_CONNECTIONS)],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
                there = client.stdout.readline()
                each = (machine.resident_mb(server.worker()) - before) * 1024 / IDLE_CONNECTIONS
                client.stdin.close()
            if not there:
                raise machine.Failure(f"{kind} did not keep {IDLE_CONNECTIONS} connections")
        rows.append([servers.LABELS[kind], f"{each:.1f}",
                     card.judge("memory of an idle TLS connection", IDLE_AIM, each) if kind == "limpet" else ""])
    card.table(f"KB resident for each of {IDLE_CONNECTIONS:,} idle TLS connections", ["server", "KB", "aim"], rows)
