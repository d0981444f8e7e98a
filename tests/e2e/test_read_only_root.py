"""A root that is one read-only mount with the binary in it and nothing else: no /proc, no /dev, no /tmp, no folder that
anybody could write to."""

import hashlib
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess

import pytest
from raw_client import Peer, chunked, request
from server import eventually
from tls_client import client_context

pytestmark = [pytest.mark.static, pytest.mark.unvalidated(reason="what is tested here is around the application")]

APPLICATION = pathlib.Path(__file__).with_name("applications") / "read_only.py"
NOBODY = 65534
# In a mount namespace of its own: the folder as the root, so that what runs there cannot change it, root included.
READ_ONLY = ('mount --make-rprivate / && mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && '
             f'exec chroot --userspec={NOBODY}:{NOBODY} "$0" "$@"')
INTERFACES = {"wsgi": "read_only:app", "asgi": "read_only:asgi"}
EXPECT = "Expect: 100-continue"
SMALL_BODY, LARGE_BODY = b"s" * 100_000, os.urandom(3_000_000)


def prefix(root):
    """The command before one that is to run there."""
    return [shutil.which("unshare"), "--mount", "sh", "-c", READ_ONLY, root]


@pytest.fixture(scope="module")
def pack_it(packed, tmp_path_factory):
    """pack_it(interface) -> the packed binary."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], check=False).returncode != 0:
        pytest.skip("needs root: mount namespaces")
    source = tmp_path_factory.mktemp("source")
    shutil.copy(APPLICATION, source)
    return lambda interface: packed(source, "--app", INTERFACES[interface], name=interface)


@pytest.fixture
def start(serve, pack_it, tmp_path):
    """start(interface, *options, files=()) -> Server in a root that has the binary and those files."""
    def start_there(interface, *options, files=(), **more):
        root = tmp_path / "root"
        root.mkdir()
        root.chmod(0o755)
        for file in (pack_it(interface), *files):
            shutil.copy(file, root)
            (root / file.name).chmod(0o755)
        if "--port" in options:
            more["port"] = None
        return serve(*options, binary=f"/{interface}", prefix=prefix(root), environment={}, **more)
    return start_there


def ask(server, body=None, chunked=False, context=None):
    """(status, body) of a request; with a body, a POST."""
    if context:
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=60, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    pieces = (body[n:n + 10_000] for n in range(0, len(body), 10_000)) if chunked else body
    connection.request("GET" if body is None else "POST", "/", pieces, encode_chunked=chunked,
                       headers={"Transfer-Encoding": "chunked"} if chunked else {})
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def digest(body):
    """What the application answers to a body that has come to it whole."""
    return 200, hashlib.sha256(body).hexdigest().encode()


@pytest.mark.parametrize("options", [(), ("--small",), ("--preload", "--workers", "2")], ids=["plain", "small", "preload"])
@pytest.mark.parametrize("interface", INTERFACES)
def test_it_serves(start, interface, options):
    server = start(interface, *options)
    status, body = ask(server)
    assert status == 200
    seen = json.loads(body)
    assert seen.pop("pid") != server.process.pid
    assert seen == {"temporary": "FileNotFoundError", "database": 499500, "random": 16}
    assert ask(server, SMALL_BODY) == digest(SMALL_BODY)
    assert " error " not in server.log and " warning " not in server.log


@pytest.mark.parametrize("chunked", [False, True])
def test_large_body_where_memory_is_scarce(start, chunked):
    """One that would need a file is refused; the connection, the worker and small ones are not harmed."""
    server = start("wsgi", "--small")
    pid = json.loads(ask(server)[1])["pid"]
    status, body = ask(server, LARGE_BODY, chunked)
    assert (status, body) == (507, b"507 Insufficient Storage\n")
    server.wait_for(r"request body that cannot be kept.*cannot make a temporary file in /tmp "
                    r"\(choose another with --temp-dir\): No such file or directory")
    assert ask(server, SMALL_BODY, chunked) == digest(SMALL_BODY)
    assert json.loads(ask(server)[1])["pid"] == pid


@pytest.mark.parametrize("path", ["/", "/generator", "/forgiving", "/forgiving-generator"])
def test_large_body_that_its_client_holds_back(start, path):
    """Expect: 100-continue. That there is no room is known by its length: nobody is asked to send it, and whatever the
    application makes of it, its client gets the refusal."""
    server = start("wsgi", "--small", "--access-log", "stderr")
    pid = json.loads(ask(server)[1])["pid"]
    with Peer(server) as peer:
        peer.send(request("POST", path, None, EXPECT, f"Content-Length: {len(LARGE_BODY)}"))
        answer = peer.answer()  # and no 100 before it
        assert (answer.status, answer.body) == (507, b"507 Insufficient Storage\n")
        assert answer.closes and answer.get("X-Made-By") is None
        assert peer.ended()
    server.wait_for(r"request body that cannot be kept.*cannot make a temporary file in /tmp")
    server.wait_for(rf'"POST {path} HTTP/1.1" 507 25')
    assert path.startswith("/forgiving") or "OSError: there is no room for the body, the client is told so" in server.log
    with Peer(server) as peer:
        peer.send(request("POST", path, None, EXPECT, "Content-Length: 5"))
        assert peer.head().status == 100
        peer.send(b"small")
        assert peer.answer().get("X-Made-By") == "read_only"
    assert json.loads(ask(server)[1])["pid"] == pid


def test_large_body_of_unknown_length_that_its_client_holds_back(start):
    """In chunks it is received before the application has it, and refused at its end."""
    with Peer(start("wsgi", "--small")) as peer:
        peer.send(request("POST", "/", None, EXPECT, "Transfer-Encoding: chunked"))
        assert peer.head().status == 100
        peer.send(chunked([LARGE_BODY]))
        assert peer.answer().status == 507
        assert peer.ask(request("POST", "/", b"small")).status == 200


def test_large_body_that_nobody_reads(start):
    """Whether there is room for it is nobody's business then."""
    with Peer(start("wsgi", "--small")) as peer:
        peer.send(request("POST", "/unread", None, EXPECT, f"Content-Length: {len(LARGE_BODY)}"))
        assert peer.answer().status == 200


def test_large_body_beyond_the_limit(start):
    """What is thrown away is counted all the same."""
    server = start("wsgi", "--small", "--max-body-size", "1M")
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(server, LARGE_BODY, chunked=True)
    assert ask(server, SMALL_BODY) == digest(SMALL_BODY)


def test_large_body_in_memory(start):
    """Where memory is not scarce, it takes the file's place; or with a buffer that is large enough."""
    assert ask(start("wsgi"), LARGE_BODY) == digest(LARGE_BODY)


def test_large_body_in_a_larger_buffer(start):
    assert ask(start("wsgi", "--small", "--body-buffer", "4M"), LARGE_BODY) == digest(LARGE_BODY)


def test_large_body_as_it_comes(start):
    """An asynchronous application reads it piece by piece: nothing has to be kept."""
    server = start("asgi", "--small")
    assert ask(server, LARGE_BODY) == digest(LARGE_BODY)
    assert ask(server, LARGE_BODY, chunked=True) == digest(LARGE_BODY)


def test_tls(start, pki_of_session):
    leaf = pki_of_session.local
    server = start("wsgi", "--small", "--tls-certificate", f"/{leaf.chain.name}", "--tls-key", f"/{leaf.key.name}",
                   files=(leaf.chain, leaf.key))
    assert ask(server, SMALL_BODY, context=client_context(pki_of_session)) == digest(SMALL_BODY)


@pytest.mark.parametrize("options", [("--small",), ("--workers", "1")], ids=["small", "plain"])
def test_worker_is_replaced(start, options):
    server = start("wsgi", *options, "--workers-max-requests", "5")
    pids = set()

    def another_serves():
        pids.add(json.loads(ask(server)[1])["pid"])
        return len(pids) > 2

    eventually(another_serves)
    server.stop()


def test_log_in_memory(start):
    """Neither log has a place to be written to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = start("wsgi", "--small", "--log", "memory", "--access-log", "memory", "--port", port, expect_start=False)
    server.url = f"http://127.0.0.1:{port}"

    def serves():
        try:
            return ask(server, SMALL_BODY) == digest(SMALL_BODY)
        except OSError:
            return False

    eventually(serves)
    server.stop()
    assert server.log == ""


def test_control_socket_that_cannot_be_made(pack_it, tmp_path):
    """One line that names it."""
    root = tmp_path / "root"
    root.mkdir()
    root.chmod(0o755)
    shutil.copy(pack_it("wsgi"), root)
    for option, path in (("--control-socket", "/run/limpet.sock"), ("--pid-file", "/run/limpet.pid"),
                         ("--log", "/log/limpet")):
        done = subprocess.run([*prefix(root), "/wsgi", "--port", "0", option, path], capture_output=True, text=True,
                              timeout=60, check=False, env={})
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1 and path in done.stderr, done.stderr
        assert "does not exist" in done.stderr or "No such file" in done.stderr, done.stderr
