"""Files served by limpet and by nginx: the same requests, compared answer by answer; and from disk beside the
archive."""

import fnmatch
import functools
import gzip
import os
import pathlib
import re
import signal
import socket
import subprocess
import types

import pytest
from raw_client import Peer, request
from server import eventually
from serving import serving
from static_cases import CASES, EXACT, MODIFIED, SITE
from static_deviations import ARCHIVE, NGINX
from static_site import APPLICATION, start_site
from tls_client import TlsPeer, client_context

pytestmark = pytest.mark.unvalidated(reason="no application answers")

# What nginx leaves to be asked for, and RFC 9110 does not: a date that is later than the file's is no older one.
SETTINGS = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log; {user}
events {{ worker_connections 64; }}
http {{
  include /etc/nginx/mime.types; default_type application/octet-stream; access_log off; server_tokens off;
  client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  absolute_redirect off; if_modified_since before; gzip_static on; gzip_vary on; max_ranges 32; sendfile on;
  large_client_header_buffers 4 16k;
  server {{
    listen 127.0.0.1:{ports[0]}; listen 127.0.0.1:{ports[1]} ssl;
    ssl_certificate {leaf.chain}; ssl_certificate_key {leaf.key}; ssl_protocols TLSv1.2 TLSv1.3;
    root {site};
  }}
}}
"""
TRANSPORTS = ["plain", "tls"]


def free_ports(count):
    """Ports that nobody listens on now."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def start_nginx(folder, site, leaf):
    """(process, ports): one that serves the site plain and over TLS."""
    ports = free_ports(2)
    # A worker of somebody else could not go into a folder of root's.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "conf").write_text(SETTINGS.format(folder=folder, site=site, leaf=leaf, ports=ports, user=user))
    process = subprocess.Popen(["nginx", "-p", folder, "-c", folder / "conf"], stdin=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, env={"PATH": os.environ["PATH"] + ":/usr/sbin"})

    def listens():
        assert process.poll() is None, (folder / "error.log").read_text()
        with socket.socket() as attempt:
            return attempt.connect_ex(("127.0.0.1", ports[1])) == 0

    eventually(listens)
    return process, ports


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """An application with its site in static/, every file of the same time."""
    out = tmp_path_factory.mktemp("application")
    (out / "app.py").write_text(APPLICATION)
    for name, content in SITE.items():
        path = out / "static" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (MODIFIED, MODIFIED))
    return out


@pytest.fixture(scope="module")
def servers(limpet, packed, source, pki_of_session, tmp_path_factory):
    """{name: ports, of plain HTTP and of TLS}"""
    with serving(limpet, False, tmp_path_factory.mktemp) as start:
        options = ["--static", "/static=static"]
        binary = pathlib.Path(packed(source, name="compared"))
        os.utime(binary, (MODIFIED, MODIFIED))  # which is its members' as well
        process, ports = start_nginx(tmp_path_factory.mktemp("nginx"), source, pki_of_session.local)
        try:
            started = {
                "disk": start_site(start, pki_of_session, limpet, ["app:app"], *options, "--working-dir", source),
                "archive": start_site(start, pki_of_session, binary, [], *options,
                                      folder=tmp_path_factory.mktemp("elsewhere")),
            }
            yield {"nginx": ports} | {name: [int(address.rpartition(":")[2]) for address in server.addresses]
                                      for name, server in started.items()}
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


class Visitor:
    """Who sends the same requests to each server, over one transport."""

    def __init__(self, servers, context, transport):
        self._servers, self._context, self._transport = servers, context, transport
        self._tags = {}

    def ask(self, name, case, fields):
        """One answer, behind which nothing comes."""
        address = types.SimpleNamespace(port=self._servers[name][TRANSPORTS.index(self._transport)])
        connect = TlsPeer(address, self._context) if self._transport == "tls" else Peer(address)
        with connect as peer:
            answer = peer.ask(request(case.method, case.target, case.body, *fields, "Connection: close"), case.method)
            assert peer.rest() == b""
        return answer

    def tag(self, name, case):
        """What the server says of a case's target."""
        key = (name, case.target, case.accept)
        if key not in self._tags:
            plain = types.SimpleNamespace(target=case.target, method="GET", body=None)
            self._tags[key] = self.ask(name, plain, case.accept).get("ETag")
        return self._tags[key]

    def look(self, name, case):
        """What of an answer is compared."""
        tag = self.tag(name, case)
        assert tag or not any("{etag}" in field for field in case.fields)
        answer = self.ask(name, case, [field.replace("{etag}", tag or "") for field in case.fields])
        return seen(answer, tag, case.method)


COMPARED = {
    200: ["Last-Modified", "Accept-Ranges", "Vary", "Content-Encoding", "Content-Length", "Content-Type",
          "Content-Range"],
    206: ["Last-Modified", "Accept-Ranges", "Vary", "Content-Encoding", "Content-Length", "Content-Type",
          "Content-Range"],
    304: ["Last-Modified", "Vary", "Content-Encoding", "Content-Range"],
    301: ["Location"],
    405: ["Allow"],
    416: ["Content-Range"],
}


def brief(body):
    """Bytes, as a failure shows them."""
    return body if len(body) < 50 else f"{len(body)} bytes, {hash(body):x}"


def parts_of(body, boundary):
    """The parts of multipart/byteranges: type, range and bytes each."""
    first, *parts, last = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    assert first in (b"", b"\r\n") and last == b"--\r\n"
    out = []
    for part in parts:
        head, _, content = part.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(": ", 1) for line in head.decode().strip().split("\r\n"))
        assert set(fields) == {"content-type", "content-range"}
        out.append((fields["content-type"].partition(";")[0], fields["content-range"], brief(content)))
    return out


def seen(answer, tag, method):
    """What of it is compared: not the texts of errors; of an entity tag whose it is; of gzip what is in it."""
    out = {"status": answer.status} | {name: answer.get(name) for name in COMPARED.get(answer.status, [])}
    if answer.status in (200, 206, 304):
        own = answer.get("ETag")
        out["ETag"] = None if own is None else "own" if own == tag else "other"
    if answer.status in (200, 206):
        kind, _, parameters = (out["Content-Type"] or "").partition(";")
        out["Content-Type"] = kind
        out["body"] = brief(answer.body)
        if (answer.status, out["Content-Encoding"]) == (200, "gzip"):
            out |= {"Content-Length": "of gzip", "body": brief(gzip.decompress(answer.body))}
        boundary = re.fullmatch(r"multipart/byteranges; boundary=([0-9A-Za-z]+)", f"{kind};{parameters}")
        if boundary:
            out |= {"Content-Length": "of parts",
                    "body": parts_of(answer.body, boundary[1]) if method == "GET" else None}
    return out


@pytest.fixture(scope="module", params=TRANSPORTS)
def visitor(request, servers, pki_of_session):
    return Visitor(servers, client_context(pki_of_session), request.param)


def expected_of(name, theirs, table, like):
    """What limpet has to answer where somebody else answers that. like: of a case, what limpet answers. Each deviation
    has to be one."""
    out = theirs
    for deviation in table:
        if not deviation.applies(name, theirs):
            continue
        assert deviation.like is None or differ(like(CASES[deviation.like]), theirs), f"no more: {deviation.reason}"
        out = like(CASES[deviation.like]) if deviation.like else out
        differs = deviation.differs or {}
        assert all(theirs.get(key) != value for key, value in differs.items()), f"no more: {deviation.reason}"
        out = out | differs
    return out


def differ(ours, theirs):
    """{field: (one, other)} of what is not the same; None stands for a field that is not there."""
    return {key: (ours.get(key), theirs.get(key)) for key in ours | theirs if ours.get(key) != theirs.get(key)}


@pytest.mark.parametrize("name", CASES)
def test_as_nginx(visitor, name):
    ours, theirs = visitor.look("disk", CASES[name]), visitor.look("nginx", CASES[name])
    expected = expected_of(name, theirs, NGINX, functools.partial(visitor.look, "disk"))
    assert differ(ours, expected) == {}


@pytest.mark.parametrize("name", CASES)
def test_archive_as_disk(visitor, name):
    ours, theirs = visitor.look("archive", CASES[name]), visitor.look("disk", CASES[name])
    expected = expected_of(name, theirs, ARCHIVE, functools.partial(visitor.look, "archive"))
    assert differ(ours, expected) == {}


def test_deviations_are_of_cases():
    for deviation in NGINX + ARCHIVE:
        for pattern in deviation.names:
            assert fnmatch.filter(CASES, pattern), pattern
        assert deviation.like is None or deviation.like in CASES


def test_cases_are_what_they_say(visitor):
    """The cases are of files of one time, so that dates around it decide."""
    for name in ["disk", "archive", "nginx"]:
        assert visitor.look(name, CASES["type/css/main.css"])["Last-Modified"] == EXACT
