#!/usr/bin/python3
"""hello on limpet beside gunicorn and nginx: one run, rounds interleaved, medians.

    bench.py BINARY [--rounds N] [--seconds S] [--output FILE]

The server has CPU 0 to itself, wrk CPU 1. Requests per second, CPU microseconds a request (of all the server's
processes), the 99th percentile, resident size of the busiest worker; then start-up (exec to the first 200), the size of
the binary and the resident size of an idle worker. Prints a Markdown table. Compare figures of one table only: they move
with the machine.
"""

import argparse
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HELLO = ROOT / "apps/hello"
TICKS = os.sysconf("SC_CLK_TCK")
NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log; events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 1000000000; client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen 127.0.0.1:{port}; location / {{ default_type text/plain; return 200 "Hello, World!"; }} }} }}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server under load, pinned to CPU 0. command: with {port} and {folder} in it."""

    def __init__(self, command, folder):
        self.port = free_port()
        self.command = [part.format(port=self.port, folder=folder) for part in command]

    def __enter__(self):
        self.process = subprocess.Popen(["taskset", "-c", "0", *self.command], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, cwd=HELLO, start_new_session=True)
        self.wait_until_ready()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)

    def wait_until_ready(self, timeout=30):
        """Seconds until it answered."""
        began = time.perf_counter()
        while time.perf_counter() - began < timeout:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as peer:
                    peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    if peer.recv(64).startswith(b"HTTP/1.1 200"):
                        return time.perf_counter() - began
            except ConnectionError:
                pass
        raise SystemExit(f"{self.command[0]} did not answer within {timeout} s")

    def processes(self):
        """Pids of its process tree."""
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            todo += map(int, pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return found

    def cpu_seconds(self):
        total = 0
        for pid in self.processes():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def resident_mb(self):
        """Of its largest process (the worker)."""
        return max(int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])
                   for pid in self.processes()) / 1024


def load(server, path, connections, seconds):
    """One wrk run: (requests per second, CPU microseconds a request, p99 in ms)."""
    before = server.cpu_seconds()
    out = subprocess.run(["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
                          f"http://127.0.0.1:{server.port}{path}"], capture_output=True, text=True, check=True).stdout
    used = server.cpu_seconds() - before
    if re.search(r"Non-2xx|Socket errors", out):
        raise SystemExit(f"errors under load:\n{out}")
    requests = int(re.search(r"(\d+) requests in", out)[1])
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()
    p99 = float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]), used / requests * 1e6, p99


def starts(command, folder, count):
    """Median seconds from exec to the first 200."""
    times = []
    for _ in range(count):
        server = Server(command, folder)
        began = time.perf_counter()
        process = subprocess.Popen(server.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=HELLO)
        try:
            server.wait_until_ready()
            times.append(time.perf_counter() - began)
        finally:
            process.terminate()
            process.wait(30)
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        hello = f"{folder}/hello"
        subprocess.run([options.binary, "pack", HELLO, "--output", hello, "--workers", "1"], check=True,
                       stdout=subprocess.DEVNULL)
        (pathlib.Path(folder) / "nginx.conf").write_text("")
        commands = {
            "nginx `return 200`": ["/bin/sh", "-c", f"echo '{NGINX}' > {{folder}}/n{{port}}.conf; "
                                   "exec nginx -c {folder}/n{port}.conf"],
            "limpet": [hello, "--port", "{port}", "--log-level", "warning"],
            "gunicorn (sync)": ["/usr/bin/gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "1", "app:app"],
            "gunicorn (gthread, 16)": ["/usr/bin/gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "1",
                                       "--threads", "16", "app:app"],
        }
        figures = {name: [] for name in commands}
        resident = {}
        for number in range(options.rounds):
            for name, command in commands.items():
                print(f"round {number + 1} of {options.rounds}: {name}    ", end="\r", file=sys.stderr)
                with Server(command, folder) as server:
                    resident.setdefault(name, server.resident_mb())
                    figures[name].append(load(server, "/", options.connections, options.seconds))
        print(f"| hello, 13 bytes, {options.connections} connections | requests/s | of nginx | CPU us a request | p99 ms "
              "| idle worker MB | start ms |\n|---|---|---|---|---|---|---|")
        limit = statistics.median(rate for rate, _, _ in figures["nginx `return 200`"])
        for name, command in commands.items():
            rate, cpu, p99 = (statistics.median(column) for column in zip(*figures[name]))
            begin = starts(command, folder, 11) * 1000
            print(f"| {name} | {rate:,.0f} | {rate / limit:.0%} | {cpu:.1f} | {p99:.2f} | {resident[name]:.1f} "
                  f"| {begin:.0f} |")
        print(f"\nBinary: {os.path.getsize(options.binary) / 1e6:.1f} MB, hello packed: {os.path.getsize(hello) / 1e6:.1f} MB.")
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder, exist_ok=True)


if __name__ == "__main__":
    main()
