"""A server with an access log in a file, and the lines of it; an nginx with the same to compare with.

    log = access_log("app:app", "--access-log-format", "json")
    log.ask(request("GET", "/"))
    assert log.lines(1) == [...]
"""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess

from raw_client import Peer
from server import eventually

DATE = re.compile(rb"\[\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]")
NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  default_type text/plain; server_tokens off; large_client_header_buffers 4 16k;
  log_format common '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent';
  access_log {folder}/combined combined; access_log {folder}/common common;
  client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 "{body}"; }} }}
}}
"""


def lines_of(path, count):
    """That many lines of a file, which has no more of them, once they are there. Bytes."""
    path = pathlib.Path(path)

    def lines():
        data = path.read_bytes() if path.exists() else b""
        return data.split(b"\n")[:-1]

    eventually(lambda: len(lines()) >= count)
    found = lines()
    assert len(found) == count, found
    return found


def undo(text):
    """The bytes that a string of a JSON line stands for: what was no UTF-8 is written as \\xHH."""
    return re.sub(rb"\\x([0-9A-F]{2})", lambda match: bytes([int(match[1], 16)]), text.encode())


class AccessLog:
    """server: a running one; path: of its access log."""

    def __init__(self, server, path):
        self.server, self.path = server, path

    def ask(self, *parts, method=None):
        """The answers to so many requests, one after the other on one connection."""
        with Peer(self.server) as peer:
            return [peer.ask(part, method) for part in parts]

    def send(self, data):
        """All that comes for these bytes until the server closes."""
        with Peer(self.server) as peer:
            peer.send(data)
            return peer.rest()

    def lines(self, count):
        """As text, of any bytes."""
        return [line.decode("utf-8", "surrogateescape") for line in lines_of(self.path, count)]

    def objects(self, count):
        """Of JSON lines; jq reads each of them, too."""
        lines = lines_of(self.path, count)
        read = subprocess.run(["jq", "-c", "."], input=b"\n".join(lines) + b"\n", capture_output=True, check=True)
        objects = [json.loads(line) for line in lines]
        assert [json.loads(line) for line in read.stdout.splitlines()] == objects
        return objects


class Nginx:
    """One that answers everything with the same body."""

    def __init__(self, folder, body):
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        (folder / "conf").write_text(NGINX.format(folder=folder, port=self.port, body=body))
        self.process = subprocess.Popen(["nginx", "-p", folder, "-c", folder / "conf"], stderr=subprocess.DEVNULL,
                                        env={"PATH": os.environ["PATH"] + ":/usr/sbin"})
        eventually(self._answers)

    def _answers(self):
        assert self.process.poll() is None, (self.folder / "error.log").read_text()
        with socket.socket() as attempt:
            return attempt.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def lines(self, name, count):
        """Of the log with that name."""
        return lines_of(self.folder / name, count)
