"""Rows about what is written of requests."""

import load
import servers
import table
from rows_load import BUSY_CONNECTIONS, HELLO_BYTES, interleaved

LOG_AIM = table.at_most(3, "{}%")
# What it is called in the table: the format of its log, None for no log.
LOGS = {"no access log": None, "combined, to a file": "combined", "json, to a file": "json"}


def count_lines(path):
    """How many lines a file has."""
    with path.open("rb") as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 20), b""))


def access_log(session, card):
    """13 bytes with an access log in a file, which is written on the worker's CPU, and without."""
    path = session.folder / "access.log"

    def measure(label):
        log = ["--access-log", path, "--access-log-format", LOGS[label]] if LOGS[label] else []
        with servers.Server(session, "limpet", "hello", options=log) as server:
            load.check(server, "/", HELLO_BYTES)
            figures = load.wrk(server, "/", BUSY_CONNECTIONS)
        if log:
            figures["written"] = min(count_lines(path) / figures["requests"], 1)
            figures["bytes"] = path.stat().st_size / figures["requests"]
            path.unlink()
        return figures

    results = {label: rounds for (label,), rounds in interleaved(session, [(label,) for label in LOGS], measure).items()}
    without = results["no access log"]
    rows = []
    for label, rounds in results.items():
        lost = 100 - table.ratio(rounds, without) * 100
        logs = LOGS[label] is not None
        rows.append([label, f"{table.median(rounds, 'rate'):,.0f}", f"{lost:.1f}%" if logs else "",
                     card.judge(f"access log ({label})", LOG_AIM, lost) if logs else "",
                     f"{table.median(rounds, 'cpu'):.2f}", f"{table.median(rounds, 'p99'):.2f}",
                     f"{table.median(rounds, 'bytes'):.0f}" if logs else "",
                     f"{table.median(rounds, 'written'):.1%}" if logs else ""])
    card.table(f"13 bytes with an access log, {BUSY_CONNECTIONS} connections, 1 worker on CPU 0",
               ["log", "requests/s", "lost", "aim", "CPU us a request", "p99 ms", "bytes a line", "lines written"], rows)
