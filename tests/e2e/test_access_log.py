"""The access log: every atom, the formats with names, who gets a line and who does not, and what strangers send."""

import json
import os
import pathlib
import re
import subprocess

import pytest
from access_lines import DATE, AccessLog, Nginx, lines_of, undo
from raw_client import Peer, chunked_request, request
from tls_client import TlsPeer, client_context, options_of
from websocket_client import open_websocket

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMES = re.findall(r'^NAME\("(\w+)"', (ROOT / "appliance/accesslog_format_names.def").read_text(), re.MULTILINE)
BODY = "Hello, world!"
HEX32 = re.compile(r"[0-9a-f]{32}\Z")
APPLICATION = '''
import os

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/fails":
        raise ValueError("on purpose")
    if path == "/gone":
        start_response("410 Gone", [("Content-Length", "0")])
        return []
    if path == "/none":
        start_response("204 No Content", [])
        return []
    if path == "/chunks":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return iter([b"x" * 50000] * 8)
    if path == "/breaks":
        start_response("200 OK", [("Content-Length", "100")])
        return broken()
    if path == "/echo":
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
    if path == "/waits":
        with open(environ["QUERY_STRING"], "rb") as pipe:
            pipe.read()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "13"), ("X-Two", "a"), ("x-two", "b\\"c")])
    return [b"Hello, world!"]

def broken():
    yield b"12345"
    raise ValueError("on purpose")
'''
TUNNEL = '''
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        await send({"type": "websocket.send", "text": "x" * 1000})
'''


@pytest.fixture
def access_log(serve, tmp_path):
    """access_log(format, *options, source=) -> AccessLog of a server with that format."""

    def start(kind, *options, source=APPLICATION):
        (tmp_path / "app.py").write_text(source)
        path = tmp_path / "access.log"
        server = serve("app:app", "--workers", "1", "--access-log", path, "--access-log-format", kind, *options,
                       folder=tmp_path, environment={**os.environ, "TZ": "UTC0"})
        return AccessLog(server, path)

    return start


# --- formats ---

def test_combined_is_the_standard(serve, tmp_path):
    (tmp_path / "app.py").write_text(APPLICATION)
    server = serve("app:app", "--workers", "1", "--access-log", tmp_path / "log", folder=tmp_path)
    with Peer(server) as peer:
        peer.ask(request("GET", "/a?b", None, "User-Agent: me", "Referer: there"))
    line = lines_of(tmp_path / "log", 1)[0]
    assert DATE.sub(b"DATE", line) == b'127.0.0.1 - - DATE "GET /a?b HTTP/1.1" 200 13 "there" "me"'


@pytest.mark.parametrize("name", NAMES)
def test_every_atom_is_documented(name):
    assert f"`{name}`" in (ROOT / "README.md").read_text()


def test_every_atom_is_written(access_log):
    as_texts = ["l", "s", "L", "dt_ms"]
    log = access_log("{" + ",".join([*(f'"{name}":%({name})j' for name in NAMES),
                                     *(f'"as text {name}":"%({name})s"' for name in as_texts)]) + "}", "--request-id")
    log.ask(request("GET", "/x%20y?q=1", None, "User-Agent: me", "Referer: there",
                    "Authorization: Basic QW5uOnNlY3JldA=="))
    values = log.objects(1)[0]
    plain = {name: values.pop(f"as text {name}") for name in as_texts}
    assert list(values) == NAMES
    pid = log.server.workers()[0]
    assert (values["h"], values["addr"]) == ("127.0.0.1", "127.0.0.1")
    assert values["l"] is None and plain["l"] == "-"
    assert values["u"] == values["user"] == "Ann"
    assert values["r"] == values["request"] == "GET /x%20y?q=1 HTTP/1.1"
    assert values["s"] == values["status"] == 200 and plain["s"] == "200"
    assert values["m"] == values["method"] == "GET"
    assert values["U"] == "/x y" and values["path"] == "/x%20y" and values["target"] == "/x%20y?q=1"
    assert values["q"] == values["query_string"] == "q=1"
    assert values["H"] == values["protocol"] == "HTTP/1.1"
    assert values["b"] == values["B"] == values["body_bytes_sent"] == values["rbl"] == 13
    assert values["f"] == values["referer"] == "there"
    assert values["a"] == values["user_agent"] == "me"
    assert (values["scheme"], values["host"]) == ("http", "x")
    assert values["p"] == f"<{pid}>" and values["pid"] == pid
    assert (values["worker"], values["connection"], values["connection_requests"]) == (1, 1, 1)
    assert (values["complete"], values["served_here"], values["sample"]) == (True, False, 1)
    assert (values["local_address"], values["local_port"]) == ("127.0.0.1", log.server.port)
    assert 0 < values["remote_port"] < 65536
    assert HEX32.match(values["request_id"])
    assert values["request_unread"] is values["tls_version"] is values["server_name"] is values["client_subject"] is None
    # What was taken, and what that took.
    assert values["bytes_sent"] > 100 and values["bytes_received"] > 100
    assert 0 <= values["T"] <= values["duration"] < 60 and values["M"] <= values["dt_ms"] and values["D"] >= values["M"] * 1000
    assert re.fullmatch(r"\d+\.\d{6}", plain["L"]) and re.fullmatch(r"\d+\.\d{3}", plain["dt_ms"])
    assert re.fullmatch(rb"\[.*\]", values["t"].encode()) and DATE.fullmatch(values["t"].encode())
    assert values["t"] == f"[{values['time_local']}]"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000", values["time"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", values["time_utc"])


def test_granians_and_gunicorns_own_formats(access_log, serve, tmp_path):
    log = access_log('[%(time)s] %(addr)s - "%(method)s %(path)s %(protocol)s" %(status)d %(dt_ms).3f')
    log.ask(request("GET", "/a?b"))
    assert re.fullmatch(r'\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000\] 127\.0\.0\.1 - "GET /a HTTP/1\.1" 200 \d+\.\d{3}',
                        log.lines(1)[0])
    server = serve("app:app", "--workers", "1", "--access-log", tmp_path / "second", "--access-log-fmt",
                   '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"', folder=tmp_path)
    with Peer(server) as peer:
        peer.ask(request("GET", "/gone", None, "User-Agent: \"q\""))
    assert DATE.sub(b"DATE", lines_of(tmp_path / "second", 1)[0]) == \
        b'127.0.0.1 - - DATE "GET /gone HTTP/1.1" 410 - "-" "\\x22q\\x22"'


def test_headers_in_and_out(access_log):
    log = access_log("%(header{x-IN})s|%({X-In}i)s|%({HTTP_X_IN}e)s|%(response_header{content-type})s|%({X-Two}o)s|"
                     "%({nothing}i)s|%({nothing}o)s|%(header{X-IN})-8.3s|%%")
    log.ask(request("GET", "/", None, "X-In: one", "x-in: two"))
    assert log.lines(1) == ["one, two|one, two|one, two|text/plain|a, b\\x22c|-|-|one     |%"]


def test_json(access_log):
    log = access_log("json", "--request-id")
    log.ask(request("POST", "/echo?a=b", b"12345", "User-Agent: me", "X-Request-ID: mine"),
            request("GET", "/gone"))
    first, second = log.objects(2)
    sizes = {key: first.pop(key) for key in ("bytes", "bytes_received", "duration_ms", "time")}
    assert first == {"client": "127.0.0.1", "method": "POST", "target": "/echo?a=b", "protocol": "HTTP/1.1",
                     "status": 200, "body_bytes": 5, "complete": True, "scheme": "http", "host": "x",
                     "user_agent": "me", "request_id": "mine", "worker": 1, "connection": 1,
                     "connection_requests": 1}
    assert sizes["bytes"] > 80 and sizes["bytes_received"] > 80 and sizes["duration_ms"] > 0
    assert (second["status"], second["connection"], second["connection_requests"]) == (410, 1, 2)
    assert second["body_bytes"] == 0 and "referer" not in second and "sample" not in second


@pytest.mark.parametrize("kind, said", [
    ("%(statos)s", 'there is no atom "%(statos)s" (did you mean "status"?)'),
    ("%(S)s", 'there is no atom "%(S)s" (did you mean "s"?)'),
    ("%(x)s", 'there is no atom "%(x)s" (there are h l u t r'),
    ("%(header{a b})s", 'there is no atom "%(header{a b})s" (no header has such a name)'),
    ("%(addr)d", '"%(addr)d" cannot be: it is a text'),
    ("%(status)q", '"%(status)q" cannot be: it is a number'),
    ("%(addr", '"%(addr" has no closing parenthesis'),
    ("combinde", 'no format is called that (did you mean "combined"?)'),
    ("$remote_addr", "has no atoms: they are written %(NAME)s"),
    ("%h %l", '"%h %l" is no atom: they are written %(NAME)s'),
    ("%(h)s\x01", "has a control character (byte 0x01)"),
    ("%(h)s" * 101, "has more than 100 atoms"),
])
def test_bad_formats(run, tmp_path, kind, said):
    (tmp_path / "app.py").write_text(APPLICATION)
    done = run("serve", "app:app", "--access-log", "--access-log-format", kind, cwd=tmp_path)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "--access-log-format" in done.stderr and said in done.stderr, done.stderr


@pytest.mark.parametrize("path, said", [("health", 'must begin with "/"'), ("/", '"/" is every path'),
                                        ("/a?b", "must be a plain path"), ("/a%20b", "must be a plain path")])
def test_bad_skips(run, tmp_path, path, said):
    (tmp_path / "app.py").write_text(APPLICATION)
    done = run("serve", "app:app", "--access-log", "--access-log-skip", path, cwd=tmp_path)
    assert done.returncode == 2 and "--access-log-skip" in done.stderr and said in done.stderr, done.stderr


# --- as nginx has it ---

def any_bytes(method, target, *fields):
    lines = [method + b" " + target + b" HTTP/1.1", b"Host: x", *fields]
    return b"\r\n".join([*lines, b"", b""])


def test_lines_are_nginxs(access_log, serve, tmp_path):
    """Byte by byte, but for the time."""
    folder = tmp_path / "nginx"
    folder.mkdir()
    nginx = Nginx(folder, BODY)
    try:
        combined = access_log("combined")
        common = tmp_path / "common"
        second = serve("app:app", "--workers", "1", "--access-log", common, "--access-log-format", "common",
                       folder=tmp_path, environment={**os.environ, "TZ": "UTC0"})
        high = bytes(range(0x80, 0x100))
        requests = [
            any_bytes(b"GET", b"/"),
            any_bytes(b"GET", b"/a/b?c=d&e=%20", b"User-Agent: curl/7.88.1", b"Referer: http://x/?y"),
            any_bytes(b"HEAD", b"/", b"User-Agent: \"quoted\" \\back\\"),
            any_bytes(b"GET", b"/", b"User-Agent: a\tb", b"Referer: " + high),
            any_bytes(b"GET", b"/\"\\'<>{}|^`", b"Referer:", b"User-Agent:"),
            any_bytes(b"GET", b"/" + b"x" * 6000, b"User-Agent: " + b"y" * 8000),
            any_bytes(b"GET", b"/~!@$&*()_+-=[];:,.?/?"),
            any_bytes(b"GET", b"http://x/absolute?form"),
            any_bytes(b"GET", b"/", b"Authorization: Basic QW5uOnNlY3JldA=="),
            any_bytes(b"GET", b"/", b"Authorization: basic IkEiIEI6Yzpk"),
            any_bytes(b"GET", b"/", b"Authorization: Basic 9zr3"),
            any_bytes(b"GET", b"/", b"Authorization: Basic OnNlY3JldA=="),
            any_bytes(b"GET", b"/", b"Authorization: Basic QW5u"),
            any_bytes(b"GET", b"/", b"Authorization: Basic *"),
            any_bytes(b"GET", b"/", b"Authorization: Bearer QW5uOnNlY3JldA=="),
            any_bytes(b"GET", b"/", b"Authorization: Basic"),
            any_bytes(b"POST", b"/", b"Content-Length: 5") + b"12345",
            b"GET /old HTTP/1.0\r\n\r\n",
        ]
        for count, data in enumerate(requests, 1):
            method = data.partition(b" ")[0].decode()
            for server in (nginx, combined.server, second):
                with Peer(server) as peer:
                    answer = peer.ask(data, method)
                    assert answer.status == 200, (data, answer)
            # A line comes behind the answer; the next one shall not overtake it.
            for path in (combined.path, common):
                lines_of(path, count)
        for name, path in (("combined", combined.path), ("common", common)):
            theirs = [DATE.sub(b"DATE", line) for line in nginx.lines(name, len(requests))]
            ours = [DATE.sub(b"DATE", line) for line in lines_of(path, len(requests))]
            assert ours == theirs
    finally:
        nginx.stop()


# --- what strangers send ---

def test_bytes_of_any_value_in_json(access_log):
    log = access_log("json")
    printable = bytes(range(0x21, 0x7f)).translate(None, b"#%")
    texts = [printable, bytes(range(0x80, 0x100)), "h\u00e9 \u20ac \U0001f41a \u0085\u2028".encode(), b"\\xFF", b"\\\\x41\\",
             b"\xed\xa0\x80\xc0\x80\xf4\x90\x80\x80\xe2\x82", b"a\tb" * 20]
    for count, text in enumerate(texts, 1):
        log.ask(any_bytes(b"GET", b"/" + printable, b"User-Agent: " + text))
        log.lines(count)
    for text, seen in zip(texts, log.objects(len(texts)), strict=True):
        assert undo(seen["user_agent"]) == text
        assert undo(seen["target"]) == b"/" + printable


def test_json_of_ones_own(access_log):
    log = access_log('{"agent":"%(a)s","referer":%(f)j,"status":%(s)d}')
    log.ask(any_bytes(b"GET", b"/", b"User-Agent: \"a\\b\"\t\xff"), any_bytes(b"GET", b"/", b"Referer: \"x\""))
    assert log.objects(2) == [{"agent": "\"a\\b\"\t\\xFF", "referer": None, "status": 200},
                              {"agent": "-", "referer": "\"x\"", "status": 200}]


def test_long_headers(access_log):
    log = access_log("json")
    log.ask(request("GET", "/" + "t" * 8000, None, "User-Agent: " + "u" * 8000))
    log.lines(1)
    log.ask(request("GET", "/", None, "User-Agent: " + "u" * 8192))
    log.lines(2)
    log.ask(any_bytes(b"GET", b"/", b"User-Agent: " + b"\xff" * 8192, b"Referer: " + b"\"" * 8192))
    for line in log.lines(3):
        assert len(line) < 16384
    first, second, third = log.objects(3)
    assert first["target"] == "/" + "t" * 8000 and re.fullmatch(r"u+(\.\.\.)?", first["user_agent"])
    assert second["user_agent"] == "u" * 8192
    assert re.fullmatch(r"(\\xFF)+\.\.\.", third["user_agent"]) and re.fullmatch(r'"+(\.\.\.)?', third["referer"])
    assert {seen["status"] for seen in (first, second, third)} == {200}


def test_refused_requests(access_log):
    log = access_log("json", "--max-body-size", "1k")
    refused = [(400, b"GET / HTTP/1.1\r\n\r\n"), (400, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
               (400, b"GET /\xff\"\\ HTTP/1.1\r\nHost: x\r\n\r\n"),
               (413, request("POST", "/echo", None, "Content-Length: 2000")), (414, request("GET", "/" + "x" * 60000)),
               (431, request("GET", "/", None, "X: " + "x" * 70000))]
    for count, (status, data) in enumerate(refused, 1):
        assert log.send(data).startswith(b"HTTP/1.1 %d " % status)
        log.lines(count)
    seen = log.objects(6)
    assert [line["status"] for line in seen] == [400, 400, 400, 413, 414, 431]
    assert all(line["client"] == "127.0.0.1" for line in seen)
    assert all(line["bytes"] > line["body_bytes"] > 10 for line in seen if "method" in line)
    assert (seen[0]["method"], seen[0]["target"]) == ("GET", "/")
    assert undo(seen[2]["target"]) == b"/\xff\"\\"
    assert (seen[3]["method"], seen[3]["target"]) == ("POST", "/echo")
    assert re.fullmatch(r"GET /x+\.\.\.", seen[4]["request"]) and "method" not in seen[4]
    assert (seen[5]["method"], seen[5]["target"]) == ("GET", "/")


def test_clients_that_leave(access_log, tmp_path):
    log = access_log("%(m)s %(target)s %(s)s %(complete)s")
    with Peer(log.server) as peer:
        peer.send(request("POST", "/echo", None, "Content-Length: 100"), b"12345")
    assert log.lines(1) == ["POST /echo 499 false"]
    # One that comes and goes without a word is none.
    with Peer(log.server):
        pass
    log.ask(request("GET", "/"))
    assert log.lines(2)[1] == "GET / 200 true"


def test_requests_that_are_given_up(access_log, tmp_path):
    """The line is there though the application never comes back, and with the id that the client was told."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    log = access_log("%(s)s %(r)s %(b)s %(complete)s %(request_id)s", "--request-timeout", "300ms", "--request-id",
                     "--workers-kill-timeout", "1s")
    with Peer(log.server) as peer:
        answer = peer.ask(request("GET", f"/waits?{pipe}"))
    assert answer.status == 504 and HEX32.match(answer.get("X-Request-ID"))
    told = answer.get("X-Request-ID")
    assert log.lines(1) == [f"504 GET /waits?{pipe} HTTP/1.1 {len(answer.body)} true {told}"]


def test_answers_that_break(access_log):
    log = access_log("%(target)s %(s)s %(B)s %(complete)s")
    with Peer(log.server) as peer:
        peer.send(request("GET", "/breaks"))
        peer.rest()
    log.lines(1)
    assert log.ask(request("GET", "/fails"))[0].status == 500
    first, second = log.lines(2)
    assert first == "/breaks 200 5 false"
    assert re.fullmatch(r"/fails 500 [1-9]\d* true", second)


# --- who gets a line, and how large it is ---

def test_sizes(access_log):
    """Of bodies with what chunks add, and of all that was sent."""
    log = access_log("%(m)s %(target)s %(s)d %(B)d %(bytes_sent)d")
    requests = [request("GET", "/chunks"), request("HEAD", "/"), request("GET", "/none"), request("GET", "/"),
                request("POST", "/echo", b"x" * 100000), chunked_request("POST", "/echo", [b"ab", b"cde"])]
    sizes = []
    for data in requests:
        close = data.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        received = log.send(close)
        sizes.append((len(received.partition(b"\r\n\r\n")[2]), len(received)))
        log.lines(len(sizes))
    lines = [line.rsplit(" ", 2) for line in log.lines(len(requests))]
    assert [(int(body), int(all_of_it)) for _, body, all_of_it in lines] == sizes
    assert [line[0] for line in lines] == ["GET /chunks 200", "HEAD / 200", "GET /none 204", "GET / 200",
                                           "POST /echo 200", "POST /echo 200"]
    assert sizes[0][0] > 400000 and sizes[1][0] == sizes[2][0] == 0 and sizes[4][0] == 100000


def test_pipelined_requests(access_log):
    log = access_log("%(target)s %(connection)d %(connection_requests)d")
    with Peer(log.server) as peer:
        peer.send(b"".join(request("GET", f"/{number}") for number in range(20)))
        for _ in range(20):
            assert peer.answer("GET").status == 200
    assert log.lines(20) == [f"/{number} 1 {number + 1}" for number in range(20)]


def test_health_has_a_line(access_log):
    log = access_log("%(target)s %(s)s %(served_here)s")
    log.ask(request("GET", "/health/live"), request("GET", "/"))
    assert log.lines(2) == ["/health/live 200 true", "/ 200 false"]


def test_static_files_have_a_line(access_log, tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files/a.txt").write_text("abc")
    log = access_log("%(target)s %(s)s %(B)s %(served_here)s", "--static", f"/static={tmp_path}/files")
    log.ask(request("GET", "/static/a.txt"), request("HEAD", "/static/a.txt"))
    assert log.lines(2) == ["/static/a.txt 200 3 true", "/static/a.txt 200 0 true"]


def test_websockets(access_log):
    log = access_log("%(m)s %(target)s %(s)s %(h)s", source=TUNNEL)
    with open_websocket(log.server, "/socket") as websocket:
        websocket.send_text("x")
        assert websocket.event()[0] == "text"
        websocket.close(1000)
    assert log.lines(1) == ["GET /socket 101 127.0.0.1"]


def test_skips(access_log):
    log = access_log("%(target)s", "--access-log-skip", "/health", "--access-log-skip", "/a b/")
    log.ask(*(request("GET", target) for target in (
        "/health", "/health/live", "/healthy", "/h%65alth?x", "/a%20b", "/a%20b/c", "/a", "/health%2Fx", "/x/health",
        "http://x/health", "/last")))
    assert log.lines(4) == ["/healthy", "/a", "/x/health", "/last"]


def test_sample(access_log):
    log = access_log("%(target)s %(s)s %(sample)s", "--access-log-sample", "10")
    log.ask(*(request("GET", f"/{number}") for number in range(30)))
    for _ in range(3):
        log.ask(request("GET", "/fails"))
    assert log.lines(6) == ["/0 200 10", "/10 200 10", "/20 200 10", *["/fails 500 1"] * 3]


# --- TLS ---

@pytest.mark.parametrize("version, cipher", [("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256|ECDHE-ECDSA-AES128-GCM-SHA256"),
                                             ("TLSv1.3", "TLS_.*")])
def test_tls(access_log, pki_of_session, version, cipher):
    pki = pki_of_session
    ann = pki.root.issue("ann", names=[], usage="client")
    log = access_log("json", "--tls-client-ca", pki.root.certificate, "--tls-client-verify", "require",
                     *options_of(pki.local))
    context = client_context(pki, version, leaf=ann)
    if version == "TLSv1.2":
        context.set_ciphers("ECDHE+AES128+AESGCM")
    with TlsPeer(log.server, context) as peer:
        peer.ask(request("GET", "/"))
        peer.ask(request("GET", "/chunks"))
    first, second = log.objects(2)
    for seen in (first, second):
        assert (seen["scheme"], seen["tls_version"], seen["server_name"]) == ("https", version, "localhost")
        assert re.fullmatch(cipher, seen["tls_cipher"]) and "CN=ann" in seen["client_subject"]
    assert first["body_bytes"] == 13 and second["connection_requests"] == 2


def test_curl(access_log, pki_of_session):
    log = access_log("combined", *options_of(pki_of_session.local))
    subprocess.run(["curl", "-sS", "--fail", "--cacert", pki_of_session.root.certificate, "-A", "c\u00fcrl \"7\"", "-u", "Ann:x",
                    "-o", "/dev/null", f"https://localhost:{log.server.port}/x", "--resolve",
                    f"localhost:{log.server.port}:127.0.0.1"], check=True, timeout=60)
    line = DATE.sub(b"DATE", lines_of(log.path, 1)[0])
    assert re.fullmatch(rb'127\.0\.0\.1 - Ann DATE "GET /x HTTP/[0-9.]+" 200 13 "-" "c\\xC3\\xBCrl \\x227\\x22"', line)


def test_unix_socket(serve, tmp_path):
    (tmp_path / "app.py").write_text(APPLICATION)
    serve("app:app", "--workers", "1", "--listen", f"unix:{tmp_path}/socket", "--access-log", tmp_path / "log",
          "--access-log-format", "%(h)s %(local_address)s %(s)s", folder=tmp_path, port=None)
    subprocess.run(["curl", "-sS", "--unix-socket", tmp_path / "socket", "http://x/", "-o", "/dev/null"], check=True,
                   timeout=60)
    assert lines_of(tmp_path / "log", 1) == [f"unix: {tmp_path}/socket 200".encode()]


def test_several_workers_tear_no_line(serve, tmp_path):
    (tmp_path / "app.py").write_text(APPLICATION)
    server = serve("app:app", "--workers", "2", "--access-log", tmp_path / "log", "--access-log-format", "json",
                   folder=tmp_path)
    agent = "User-Agent: " + "u" * 5000
    for start in range(0, 200, 20):
        with Peer(server) as peer:
            peer.send(b"".join(request("GET", f"/{number}", None, agent) for number in range(start, start + 20)))
            for _ in range(20):
                assert peer.answer("GET").status == 200
    seen = [json.loads(line) for line in lines_of(tmp_path / "log", 200)]
    assert sorted(int(line["target"][1:]) for line in seen) == list(range(200))
    assert all(line["user_agent"] == agent[12:] for line in seen)
