"""Bodies of requests: in memory while small, in a temporary file when large, refused beyond --max-body-size."""

import hashlib
import http.client
import os
import re
import socket

import pytest
from server import eventually

pytestmark = pytest.mark.also_validated

READER = '''
import hashlib, io, json

def app(environ, start_response):
    source = environ["wsgi.input"]
    path = environ["PATH_INFO"]
    digest, size = hashlib.md5(), 0
    if path == "/read":
        pieces = [source.read()]
    elif path == "/pieces":
        pieces = iter(lambda: source.read(65536), b"")
    elif path == "/lines":
        pieces = iter(source.readline, b"")
    elif path == "/hints":
        pieces = (line for lines in iter(lambda: source.readlines(1000), []) for line in lines)
    elif path == "/iterate":
        pieces = source
    else:
        pieces = []
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
    body = json.dumps({"md5": digest.hexdigest(), "size": size, "more": len(source.read(10))}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
'''


@pytest.fixture
def serve_reader(serve, application):
    def start(*options):
        return serve("app:app", "--workers", 1, "--working-dir", application(READER), *options)

    return start


def post(server, path, body, **options):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("POST", path, body, **options)
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    return response.status, answer


def expected(data):
    return f'{{"md5": "{hashlib.md5(data).hexdigest()}", "size": {len(data)}, "more": 0}}'.encode()


@pytest.mark.parametrize("path", ["/read", "/pieces", "/lines", "/hints", "/iterate"])
@pytest.mark.parametrize("size", [0, 10, 5_000, 300_000])
def test_every_way_to_read(serve_reader, path, size):
    data = os.urandom(size)
    server = serve_reader("--body-buffer", "64k")
    assert post(server, path, data) == (200, expected(data))
    pieces = [data[i:i + 7000] for i in range(0, size, 7000)]
    assert post(server, path, iter(pieces), encode_chunked=True) == (200, expected(data))


def resident_kb(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])


@pytest.mark.static  # the sanitizers keep what was freed for a while
def test_large_body_takes_no_memory(serve_reader):
    server = serve_reader("--max-body-size", "100M")
    (worker,) = server.workers()
    post(server, "/pieces", b"warm")
    before = resident_kb(worker)
    data = os.urandom(1 << 20) * 80
    assert post(server, "/pieces", data) == (200, expected(data))
    assert resident_kb(worker) < before + 20_000


def test_large_body_leaves_nothing(serve_reader, tmp_path):
    folder = tmp_path / "spool"
    folder.mkdir()
    server = serve_reader("--temp-dir", folder)
    (worker,) = server.workers()
    post(server, "/pieces", b"warm")
    descriptors = server.descriptors(worker)
    data = os.urandom(1 << 20) * 20
    assert post(server, "/pieces", data) == (200, expected(data))
    eventually(lambda: server.descriptors(worker) <= descriptors)
    assert os.listdir(folder) == []


def test_body_that_nobody_reads(serve_reader):
    server = serve_reader("--body-buffer", "1k")
    assert post(server, "/nothing", b"x" * 100_000)[0] == 200


@pytest.mark.parametrize("announced, status", [(1000, 200), (1001, 413)])
def test_limit_of_an_announced_length(serve_reader, announced, status):
    assert post(serve_reader("--max-body-size", 1000), "/read", b"x" * announced)[0] == status


def test_limit_of_a_body_in_chunks(serve_reader):
    server = serve_reader("--max-body-size", 1000)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        post(server, "/read", iter([b"x" * 600] * 2), encode_chunked=True)
    server.wait_for("request body longer than --max-body-size allows: ")
    assert post(server, "/read", b"x")[0] == 200


def test_client_that_goes_away_in_the_middle(serve_reader):
    server = serve_reader("--body-buffer", "1k")
    (worker,) = server.workers()
    post(server, "/read", b"x")
    before = server.descriptors(worker)
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port)) as peer:
            peer.sendall(b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50_000)
    eventually(lambda: server.descriptors(worker) <= before)
    assert post(server, "/read", b"x")[0] == 200


def test_temporary_folder_that_cannot_be_used(run, application):
    done = run("serve", "app:app", "--port", 0, "--temp-dir", "/nonexistent", "--working-dir", application(READER))
    assert done.returncode == 1
    assert done.stderr == ("limpet: cannot make a temporary file in /nonexistent (choose another with --temp-dir): "
                           "No such file or directory\n")
