"""limpet serve: requests and answers, keep-alive, workers, listeners, settings, the end of a server."""

import http.client
import json
import os
import signal
import socket
import threading
import zipfile

import pytest
from server import eventually

pytestmark = pytest.mark.also_validated

INSPECTOR = '''
import json, os, sys, time

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path.startswith("/environ"):
        shown = {key: value for key, value in environ.items() if isinstance(value, (str, int, bool))}
        body = json.dumps(shown).encode()
    elif path == "/echo":
        body = environ["wsgi.input"].read()
    elif path == "/pid":
        body = str(os.getpid()).encode()
    elif path == "/slow":
        os.write(2, b"slow has begun\\n")
        time.sleep(1)
        body = b"slow is done"
    elif path == "/pieces":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (piece for piece in (b"one ", b"two ", b"three"))
    elif path == "/none":
        start_response("204 No Content", [])
        return []
    elif path == "/raise":
        raise RuntimeError("told so")
    elif path == "/exit":
        sys.exit(3)
    else:
        body = b"hello"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), ("X-Twice", "1"),
                              ("X-Twice", "2")])
    return [body]
'''


@pytest.fixture
def server(application, serve):
    return serve("app:app", "--workers", 1, "--working-dir", application(INSPECTOR))


@pytest.fixture
def connection(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    yield connection
    connection.close()


def ask(connection, method, path, body=None, headers={}):
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return response, response.read()


def raw(server, request):
    """What comes back for these bytes until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as peer:
        peer.sendall(request)
        return b"".join(iter(lambda: peer.recv(65536), b""))


def test_get(connection):
    response, body = ask(connection, "GET", "/")
    assert (response.status, response.reason, body) == (200, "OK", b"hello")
    assert response.headers.get_all("X-Twice") == ["1", "2"]
    assert response.headers.get_all("Content-Length") == ["5"]


def test_head_tells_the_length_and_sends_nothing(connection):
    response, body = ask(connection, "HEAD", "/")
    assert (response.status, body, response.headers["Content-Length"]) == (200, b"", "5")
    assert ask(connection, "GET", "/")[1] == b"hello"  # and the connection goes on


def test_connection_is_kept(connection):
    ask(connection, "GET", "/")
    before = connection.sock.getsockname()
    for _ in range(100):
        ask(connection, "GET", "/")
    assert connection.sock.getsockname() == before


@pytest.mark.parametrize("size", [0, 1, 1000, 40_000, 1_000_000, 20_000_000])
def test_body_comes_back(connection, size):
    data = os.urandom(size)
    assert ask(connection, "POST", "/echo", data)[1] == data


def test_chunked_body(connection):
    pieces = [os.urandom(size) for size in (1, 5000, 70_000)]
    connection.request("POST", "/echo", iter(pieces), encode_chunked=True)
    assert connection.getresponse().read() == b"".join(pieces)


def test_body_over_the_limit_is_refused(server):
    answer = raw(server, b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_expect_100_continue(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as peer:
        peer.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n"
                     b"Connection: close\r\n\r\n")
        assert peer.recv(65536).startswith(b"HTTP/1.1 100 ")
        peer.sendall(b"abc")
        assert b"".join(iter(lambda: peer.recv(65536), b"")).endswith(b"\r\n\r\nabc")


def test_environ(connection, server):
    response, body = ask(connection, "GET", "/environ?a=1&b=%20", headers={
        "X-One": "1", "X_One": "spoofed", "Cookie": "a=b", "Content-Type": "text/plain"})
    environ = json.loads(body)
    assert environ["REQUEST_METHOD"] == "GET"
    assert environ["PATH_INFO"] == "/environ"
    assert environ["QUERY_STRING"] == "a=1&b=%20"
    assert environ["REQUEST_URI"] == environ["RAW_URI"] == "/environ?a=1&b=%20"
    assert environ["SCRIPT_NAME"] == ""
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert environ["SERVER_NAME"] == environ["REMOTE_ADDR"] == "127.0.0.1"
    assert environ["SERVER_PORT"] == str(server.port)
    assert environ["REMOTE_PORT"] == str(connection.sock.getsockname()[1])
    assert environ["HTTP_X_ONE"] == "1"
    assert environ["CONTENT_TYPE"] == "text/plain"
    assert environ["wsgi.url_scheme"] == "http"
    assert environ["wsgi.multithread"] is True
    assert environ["wsgi.multiprocess"] is environ["wsgi.run_once"] is False
    assert environ["wsgi.input_terminated"] is True


@pytest.mark.parametrize("target, path", [
    (b"/environ/%41%2Fb", "/environ/A/b"),
    (b"/environ/%c3%a4?q=100%&r=%zz", "/environ/\u00c3\u00a4"),
    (b"http://example.org/environ?x", "/environ"),
])
def test_path_is_decoded(server, target, path):
    answer = raw(server, b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % target)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["PATH_INFO"] == path


@pytest.mark.parametrize("request_bytes", [
    b"GET / HTTP/1.1\r\n\r\n",  # no Host
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\nHost: a\n\n",
    b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    b"GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
])
def test_malformed_request_is_refused(server, request_bytes):
    assert raw(server, request_bytes).startswith(b"HTTP/1.1 400 ")


def test_http_1_0_is_closed_after_its_answer(server):
    answer = raw(server, b"GET / HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"\r\n\r\nhello")


def test_pipelined_requests_are_answered_in_order(server):
    answer = raw(server, b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1"
                         b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n2"
                         b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\n3")
    assert [part[:1] for part in answer.split(b"\r\n\r\n")[1:]] == [b"1", b"2", b"3"]


def test_pieces_of_a_generator(connection):
    assert ask(connection, "GET", "/pieces")[1] == b"one two three"


def test_204_has_no_body_and_no_length(connection):
    response, body = ask(connection, "GET", "/none")
    assert (response.status, body, response.headers["Content-Length"]) == (204, b"", None)


@pytest.mark.parametrize("path, logged", [("/raise", "RuntimeError: told so"), ("/exit", "SystemExit: 3")])
def test_exception_is_a_500_with_a_traceback_in_the_log(connection, server, path, logged):
    response, body = ask(connection, "GET", path)
    assert response.status == 500 and b"Traceback" not in body
    server.wait_for(logged)
    assert f"exception while answering GET {path}" in server.log
    assert ask(connection, "GET", "/")[1] == b"hello"


def test_unix_socket(application, serve, tmp_path):
    path = tmp_path / "limpet.sock"
    server = serve("app:app", "--uds", path, "--working-dir", application(INSPECTOR), port=None)
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(path))
        peer.sendall(b"GET /environ HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: peer.recv(65536), b""))
    environ = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert environ["REMOTE_ADDR"] == "" and environ["HTTP_HOST"] == "shop.example"
    server.stop()
    assert not path.exists()


def test_several_workers_share_the_listener(application, serve):
    server = serve("app:app", "--workers", 3, "--working-dir", application(INSPECTOR))
    workers = set(server.workers())
    assert len(workers) == 3
    seen = {int(server.get("/pid").read()) for _ in range(60)}
    assert seen <= workers
    assert json.loads(server.get("/environ").read())["wsgi.multiprocess"] is True


def test_killed_worker_is_replaced(application, serve):
    server = serve("app:app", "--workers", 2, "--working-dir", application(INSPECTOR))
    victim, other = server.workers()
    os.kill(victim, signal.SIGKILL)
    server.wait_for(rf"pid {victim}\) killed by SIGKILL")
    eventually(lambda: len(server.workers()) == 2)
    assert other in server.workers() and victim not in server.workers()
    # With the other one gone as well, only a successor can answer.
    os.kill(other, signal.SIGKILL)
    server.wait_for(rf"pid {other}\) killed by SIGKILL")
    assert int(server.get("/pid").read()) not in (victim, other)


def test_requests_under_way_are_finished_before_the_end(application, serve):
    server = serve("app:app", "--workers", 1, "--working-dir", application(INSPECTOR))
    answers = []
    client = threading.Thread(target=lambda: answers.append(server.get("/slow").read()))
    client.start()
    server.wait_for("slow has begun")
    server.stop()
    client.join()
    assert answers == [b"slow is done"]


def test_idle_connection_does_not_delay_the_end(application, serve):
    server = serve("app:app", "--workers", 1, "--working-dir", application(INSPECTOR))
    with socket.create_connection(("127.0.0.1", server.port)) as silent, \
            socket.create_connection(("127.0.0.1", server.port), timeout=30) as used:
        used.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = http.client.HTTPResponse(used)
        answer.begin()
        assert answer.read() == b"hello"
        server.stop()
        assert used.recv(1) == b"" == silent.recv(1)


def test_a_new_connection_has_a_moment_for_its_request(application, serve):
    """It was accepted before the signal; to its client it is as good as any."""
    server = serve("app:app", "--workers", 1, "--working-dir", application(INSPECTOR))
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as new:
        server.get("/").read()  # on a connection behind it: both are accepted
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("stopping")
        new.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = http.client.HTTPResponse(new)
        answer.begin()
        # The worker may hear of the stop only now: then the connection ends without that being said before.
        assert (answer.read(), answer.headers["Connection"] or "close") == (b"hello", "close")
        assert new.recv(1) == b""
    assert server.process.wait(30) == 0


def test_second_signal_stops_at_once(application, serve):
    server = serve("app:app", "--workers", 1, "--graceful-timeout", "60s", "--working-dir", application(
        INSPECTOR.replace("time.sleep(1)", "time.sleep(600)")))
    with socket.create_connection(("127.0.0.1", server.port)) as peer:
        peer.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        server.wait_for("slow has begun")
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("stopping")
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(30)


def test_deadline_ends_a_worker_that_does_not_drain(application, serve):
    server = serve("app:app", "--workers", 1, "--graceful-timeout", "300ms", "--working-dir", application(
        INSPECTOR.replace("time.sleep(1)", "time.sleep(600)")))
    with socket.create_connection(("127.0.0.1", server.port)) as peer:
        peer.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        server.wait_for("slow has begun")
        server.stop()


def test_descriptors_do_not_grow(application, serve):
    server = serve("app:app", "--workers", 1, "--working-dir", application(INSPECTOR))
    (worker,) = server.workers()
    before = server.descriptors(worker), server.descriptors()
    for _ in range(200):
        assert raw(server, b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\n1")
    eventually(lambda: (server.descriptors(worker), server.descriptors()) == before)


def test_settings_come_from_everywhere_the_stronger_wins(run, tmp_path):
    (tmp_path / "limpet.toml").write_text('port = 1001\nworkers = 3\nlog-level = "debug"\n')
    done = run("serve", "app:app", "--config", tmp_path / "limpet.toml", "--workers", 5, "--print-config",
               env={"LIMPET_PORT": "2002", "PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stderr
    lines = {line.split(" = ")[0]: line for line in done.stdout.splitlines() if " = " in line}
    assert "5" in lines["workers"] and "command line" in lines["workers"]
    assert "2002" in lines["port"] and "LIMPET_PORT" in lines["port"]
    assert "debug" in lines["log-level"] and "limpet.toml" in lines["log-level"]
    assert "127.0.0.1" in lines["host"] and "default" in lines["host"]


@pytest.mark.unvalidated(reason="reads the target's name in the log")
def test_serve_a_folder_a_file_and_a_zip(application, serve):
    folder = application(INSPECTOR)
    assert serve(folder).get("/").read() == b"hello"
    assert serve(folder / "app.py").get("/").read() == b"hello"
    with zipfile.ZipFile(folder / "app.zip", "w") as archive:
        archive.write(folder / "app.py", "main.py")
    assert serve(folder / "app.zip").get("/").read() == b"hello"
    (folder / "other.py").write_text("from app import app as served")
    (folder / "pyproject.toml").write_text("[tool.limpet]\napp = 'other:served'")
    server = serve(folder)
    assert server.get("/").read() == b"hello" and "serving other:served (wsgi)" in server.log


def test_quiet_log(application, serve, tmp_path):
    path = tmp_path / "s"
    server = serve("app:app", "--log-level", "error", "--uds", path, "--working-dir", application(INSPECTOR), port=None,
                   expect_start=False)
    with socket.socket(socket.AF_UNIX) as peer:
        eventually(lambda: peer.connect_ex(str(path)) == 0)
        peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"".join(iter(lambda: peer.recv(65536), b"")).endswith(b"hello")
    assert server.stop() == 0
    assert server.log == ""
