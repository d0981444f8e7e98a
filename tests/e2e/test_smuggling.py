"""Request smuggling through proxies: every raw case goes to nginx and to haproxy, which keep connections to limpet alive and share
them between clients. Front and limpet never disagree on where a request ends: limpet sees the requests that the front
has counted, in the same order, and the next client gets its own answer."""

import os
import re
import signal
import socket
import subprocess

import pytest
from raw_cases import CASES
from raw_client import Peer
from server import eventually
from test_strict import ABSOLUTE, WSGI, Subject

pytestmark = [pytest.mark.unvalidated(reason="the validator wants a path to begin with a slash"),
              pytest.mark.unsanitized(reason="the same cases as test_strict.py")]

NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log; {user}
events {{ worker_connections 512; }}
http {{
  log_format counted escape=none '<$request_method $request_uri> $status [$upstream_status]';
  access_log {folder}/access.log counted; lingering_close off;
  client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  underscores_in_headers on; ignore_invalid_headers off; large_client_header_buffers 4 16k;
  upstream limpet {{ server 127.0.0.1:{back}; keepalive 4; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://limpet; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_request_buffering {buffering}; proxy_next_upstream off;
    }}
  }}
}}
"""
HAPROXY = """
global
  log {log} len 4096 local0
  maxconn 512
  nbthread 1
defaults
  mode http
  timeout client 20s
  timeout server 20s
  timeout connect 20s
  option http-keep-alive
  http-reuse always
  log global
  log-format "<%HM %HU> %ST [%ts]"
frontend front
  bind 127.0.0.1:{port}
  {options}
  default_backend limpet
backend limpet
  server limpet 127.0.0.1:{back}
"""
FRONTS = {"nginx": (NGINX, {"buffering": "on"}), "nginx-unbuffered": (NGINX, {"buffering": "off"}),
          "haproxy": (HAPROXY, {"options": ""}), "haproxy-lenient": (HAPROXY, {"options": "option accept-invalid-http-request"})}


class Front:
    """A proxy in front of a server, and what it says of the requests that it took."""

    def __init__(self, name, server, folder):
        settings, values = FRONTS[name]
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        # Where haproxy logs to: a datagram that does not fit is lost.
        self._log = None
        if name.startswith("haproxy"):
            self._log = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._log.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            self._log.bind(("127.0.0.1", 0))
            self._log.setblocking(False)
        log = f"127.0.0.1:{self._log.getsockname()[1]}" if self._log else None
        values = values | {"folder": folder, "port": self.port, "back": server.port, "log": log,
                           "user": "user root;" if os.geteuid() == 0 else ""}
        (folder / "conf").write_text(settings.format(**values))
        command = ["nginx", "-p", folder, "-c", folder / "conf"]
        if name.startswith("haproxy"):
            command = ["haproxy", "-db", "-f", folder / "conf"]
        self._path = folder / "access.log"
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=(folder / "stderr").open("w"),
                                        env={"PATH": os.environ["PATH"] + ":/usr/sbin"})
        self._taken = 0
        eventually(self._listens)

    def _listens(self):
        assert self.process.poll() is None, "the proxy did not start"
        with socket.socket() as attempt:
            return attempt.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        """Ended."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        if self._log is not None:
            self._log.close()

    def new_lines(self):
        """What its log says that it has not said before."""
        if self._log is None:
            with self._path.open("rb") as file:
                file.seek(self._taken)
                data = file.read()
            whole = data.rpartition(b"\n")[0] + b"\n" if b"\n" in data else b""
            self._taken += len(whole)
            return whole.decode("latin-1").splitlines()
        lines = []
        try:
            while True:
                lines.append(self._log.recv(1 << 16).decode("latin-1"))
        except BlockingIOError:
            return lines


LINE = re.compile(r"<([^\s<>]+) (\S*)> (\d+) \[")
HAPROXY_ESCAPE = re.compile(r"#([0-9A-F]{2})")
STUCK = 0.5  # seconds without a byte: the front waits for more of a body
BUSY = 10  # the same where the machine may have been busy instead


@pytest.fixture(scope="module")
def back(serve_once):
    return Subject(serve_once(WSGI), "wsgi")


@pytest.fixture(scope="module", params=FRONTS)
def front(back, request, tmp_path_factory):
    started = Front(request.param, back.server, tmp_path_factory.mktemp("front"))
    yield started
    started.stop()


def ask(front, target):
    """The answer to a client who does nothing wrong."""
    with Peer(front) as peer:
        return peer.ask(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()).body.decode()


def send(front, data, patience):
    """Bytes, and one more request for which the front closes, if it takes it for one. Whatever comes of them is read."""
    with Peer(front, timeout=patience) as peer:
        try:
            peer.send(data + b"GET /end HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            peer.rest()
        except (ConnectionResetError, BrokenPipeError, TimeoutError):
            pass


def path_of(target):
    """A target without what is before its path, which fronts take away."""
    return re.sub(r"^(\?|$)", r"/\1", ABSOLUTE.sub("", target))


def counted(lines):
    """(method, target) of the requests that the front has taken, sent on and passed the answer of."""
    out = []
    for found in map(LINE.search, lines):
        if found and found[3] == "200":
            method, target = (HAPROXY_ESCAPE.sub(lambda digits: chr(int(digits[1], 16)), part) for part in found.groups()[:2])
            out.append((method, path_of(target)))
    return out


def check(front, back, case, patience=STUCK):
    """What the front counts and what limpet has seen of a case, and of a client behind it."""
    probe = "/probe/" + case.id
    send(front, case.data, patience)
    answer = ask(front, probe)
    lines = []

    def is_told():
        lines.extend(front.new_lines())
        return ("GET", probe) in counted(lines)

    eventually(is_told)
    seen = [(method, path_of(target)) for method, target, *_ in back.records()]
    assert answer == probe, "the next client got the answer of another"
    assert seen == counted(lines)


def disagreement(front, back, case):
    """What is wrong, None: nothing. A client that gave up too early is no judge: it has another look."""
    for patience in (STUCK, BUSY):
        try:
            return check(front, back, case, patience)
        except AssertionError as error:
            found = error
            back.records()
            front.new_lines()
    return found


FAMILIES = sorted({case.id.partition("-")[0] for case in CASES})


@pytest.mark.parametrize("family", FAMILIES)
def test_front_and_back_agree(front, back, family):
    front.new_lines()
    wrong = []
    for case in CASES:
        if case.id.partition("-")[0] == family and (error := disagreement(front, back, case)):
            wrong.append(f"{case.id}: {case.data!r}: {error}")
    assert not wrong, "\n".join(wrong)
