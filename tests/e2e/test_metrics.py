"""What is counted, as Prometheus gets it: every figure moves when it should, none falls whatever becomes of workers."""

import calendar
import os
import pathlib
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest
from metrics_reader import CONTENT_TYPE, Metrics, promtool, total
from raw_client import Peer, chunked_request, request
from server import eventually, is_sanitized
from tls_client import Pki, TlsPeer, client_context, handshake, options_of
from websocket_client import open_websocket

pytestmark = pytest.mark.unvalidated(reason="what is tested here is around the application")

APPLICATIONS = pathlib.Path(__file__).with_name("applications")
HERE = ("--metrics", "127.0.0.1:0")
LARGE = 1000 if is_sanitized() else 120  # megabytes that a worker has only where it is told to

# /STATUS answers with that; /wait once there is a file "gate"; /raise not at all.
WSGI = '''
import os
import time

def wait():
    os.write(2, b"it waits\\n")
    while not os.path.exists("gate"):
        time.sleep(0.005)

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/wait":
        wait()
    if path == "/raise":
        raise RuntimeError("meant to be")
    status = path[1:] if path[1:].isdigit() else "200"
    body = environ["wsgi.input"].read()
    start_response(f"{status} Some", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
'''

ASGI = '''
import asyncio
import os
import time

def wait():
    os.write(2, b"it waits\\n")
    while not os.path.exists("gate"):
        time.sleep(0.005)

async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    if scope["type"] != "http":
        return
    path = scope["path"]
    if path == "/wait":
        await asyncio.to_thread(wait)
    if path == "/raise":
        raise RuntimeError("meant to be")
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    status = int(path[1:]) if path[1:].isdigit() else 200
    await send({"type": "http.response.start", "status": status,
                "headers": [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
'''

SOURCES = {"wsgi": WSGI, "asgi": ASGI}


@pytest.fixture(params=SOURCES)
def start(request, application, serve):
    """start(*options) -> (Server, Metrics) of either application, one worker."""

    def start_one(*options, workers=1, **more):
        folder = application(SOURCES[request.param])
        server = serve("app:app", "--workers", workers, "--working-dir", folder, *HERE, *options, **more)
        server.folder, server.interface = folder, request.param
        return server, Metrics(server)

    return start_one


@pytest.fixture
def lifetimes(serve):
    """lifetimes(*options) -> (Server, Metrics) of applications/lifetimes.py, one worker."""

    def start_one(*options, workers=1, **more):
        server = serve("lifetimes:app", "--workers", workers, "--working-dir", APPLICATIONS, *HERE, *options, **more)
        return server, Metrics(server)

    return start_one


class Waiting:
    """Requests that are in the application until they are let go."""

    def __init__(self, server, count=1):
        self._gate = server.folder / "gate"
        self.peers = [Peer(server) for _ in range(count)]
        for peer in self.peers:
            peer.send(request("GET", "/wait"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._gate.write_text("")
        for peer in self.peers:
            assert peer.answer().status == 200
            peer.socket.close()


# --- the text ---


def test_promtool_has_no_complaint(start):
    server, metrics = start(workers=2)
    with server.get("/200"):
        pass
    metrics.read()
    assert promtool(metrics.text) == ""


def test_promtool_does_complain():
    assert "help" in promtool("limpet_a_total 1\n")


def test_answer(start):
    _, metrics = start()
    answer = metrics.ask()
    assert (answer.status, answer.get("Content-Type"), answer.get("Cache-Control")) == (200, CONTENT_TYPE, "no-store")
    head = metrics.ask(method="HEAD")
    assert head.status == 200 and int(head.get("Content-Length")) > 1000
    assert (refused := metrics.ask(method="POST")).status == 405 and refused.get("Allow") == "GET, HEAD"


def test_build_and_start(start, run):
    before = int(time.time())
    _, metrics = start()
    values = metrics.read()
    assert before <= values["limpet_start_time_seconds"] <= time.time()
    version = run("version").stdout.split()[1]
    python = run("python", "-c", "import platform; print(platform.python_version())").stdout.strip()
    assert values[f'limpet_build_info{{version="{version}",python="{python}"}}'] == 1


# --- where ---


def test_its_listener_has_nothing_else(start):
    server, metrics = start()
    assert server.addresses[-1].endswith("/metrics")
    for path in ("/", "/200", "/metrics/", "/metricsx", "/favicon.ico"):
        assert metrics.ask(path).status == 404
    assert metrics.ask("/metrics?x=1").status == 200
    assert metrics.ask("/health/live").status == metrics.ask("/health/ready").status == 200
    # And the others have it not: that is the application's.
    with Peer(server) as peer:
        assert peer.ask(request("GET", "/metrics")).get("Content-Length") == "0"


def test_at_a_path(application, serve):
    server = serve("app:app", "--workers", 1, "--working-dir", application(WSGI), "--metrics", "/internal/figures")
    assert len(server.addresses) == 1
    with server.get("/internal/figures") as answer:
        assert promtool(answer.read().decode()) == ""
    with server.get("/metrics") as answer:
        assert answer.read() == b""  # the application's


def test_address_in_use(application, serve, limpet, run):
    first = serve("app:app", "--workers", 1, "--working-dir", application(WSGI), *HERE)
    address = f"127.0.0.1:{Metrics(first).server.port}"
    done = run("serve", "app:app", "--port", 0, "--working-dir", application(WSGI), "--metrics", address)
    assert done.returncode != 0 and len(done.stderr.splitlines()) == 1
    assert address in done.stderr and "--metrics" in done.stderr


@pytest.mark.parametrize("value, complaint", [("nowhere", "--metrics"), ("/figures/", "must not end with"),
                                              ("127.0.0.1:70000", "--metrics")])
def test_bad_places(application, run, value, complaint):
    done = run("serve", "app:app", "--working-dir", application(WSGI), f"--metrics={value}")
    assert done.returncode == 2 and complaint in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


def test_off_unless_asked_for(application, serve):
    server = serve("app:app", "--workers", 1, "--working-dir", application(WSGI))
    assert len(server.addresses) == 1
    with server.get("/metrics") as answer:
        assert answer.read() == b""


# --- requests ---


def classes(values):
    return {status: values[f'limpet_http_requests_total{{status="{status}"}}'] for status in
            ("1xx", "2xx", "3xx", "4xx", "5xx")}


def test_requests_by_class(start):
    server, metrics = start()
    before, after = metrics.read(), {}
    for path, count in (("/200", 3), ("/204", 1), ("/302", 2), ("/404", 4), ("/503", 1), ("/raise", 1)):
        with Peer(server) as peer:
            for _ in range(count):
                peer.ask(request("GET", path))
    name, looks = "limpet_http_request_duration_seconds", 0

    def all_have_ended():
        """The 12, and each look at the metrics but the present one: an answer comes before its request's end."""
        nonlocal looks
        after.update(metrics.read())
        looks += 1
        return after[f"{name}_count"] - before[f"{name}_count"] == 12 + looks

    eventually(all_have_ended)
    gained = {status: after - before for (status, before), after in
              zip(classes(before).items(), classes(after).values())}
    assert gained == {"1xx": 0, "2xx": 4 + looks, "3xx": 2, "4xx": 4, "5xx": 2}
    assert after[f'{name}_bucket{{le="+Inf"}}'] == after[f"{name}_count"]
    assert after[f"{name}_sum"] > before[f"{name}_sum"]
    assert after["limpet_local_requests_total"] - before["limpet_local_requests_total"] == looks


def test_durations(start):
    server, metrics = start()
    with Waiting(server):
        server.wait_for("it waits")
        end = time.monotonic() + 0.3
        eventually(lambda: time.monotonic() > end)
    name = "limpet_http_request_duration_seconds"
    eventually(lambda: metrics.value(f"{name}_sum") >= 0.25)
    values = metrics.read()
    assert values[f'{name}_bucket{{le="0.25"}}'] < values[f"{name}_count"]


def test_bytes(start):
    server, metrics = start()
    sent = received = 0
    with Peer(metrics.server) as looks, Peer(server) as peer:
        def look():
            nonlocal sent, received
            ask = request("GET", "/metrics")
            looks.send(ask)
            head = looks.until(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            text = looks.take(length).decode()
            values = {line.split()[0]: int(line.split()[1]) for line in text.splitlines() if "_bytes_total " in line
                      and not line.startswith("#")}
            sent, received = sent + len(ask), received + len(head) + 4 + length
            return values

        before = look()
        ours = theirs = 0
        for ask in (request("GET", "/200"), request("POST", "/200", b"x" * 100000),
                    chunked_request("POST", "/200", [b"abc", b"defgh"])):
            peer.send(ask)
            head = peer.until(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            peer.take(length)
            theirs += len(head) + 4 + length
            # Of a body in chunks, what it holds.
            ours += len(ask) if b"chunked" not in ask else ask.index(b"\r\n\r\n") + 4 + 8

        def all_have_ended():
            """With the looks before: an answer comes before its request's end."""
            wanted = {"limpet_http_received_bytes_total": ours + sent,
                      "limpet_http_sent_bytes_total": theirs + received}
            after = look()
            return {name: after[name] - before[name] for name in wanted} == wanted

        eventually(all_have_ended)


def test_workers_add_up(start):
    server, metrics = start(workers=3)
    for _ in range(30):
        with server.get("/200"):
            pass
    values = metrics.read()
    for name in ("http_requests_total", "connections_total", "threads_busy_seconds_total"):
        assert abs(total(values, f"limpet_worker_{name}") - total(values, f"limpet_{name}")) < 1e-6
    assert values["limpet_workers_wanted"] == values['limpet_workers{state="serving"}'] == 3
    for worker in (1, 2, 3):
        assert values[f'limpet_worker_lifetime_seconds{{worker="{worker}"}}'] > 0


REFUSED = {
    "malformed": (400, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    "target_too_long": (414, request("GET", "/" + "x" * 60000)),
    "headers_too_large": (431, request("GET", "/", None, "X: " + "x" * 60000)),
    "body_too_large": (413, request("POST", "/", b"x" * 2000)),
    "version": (505, b"GET / HTTP/7.0\r\nHost: a\r\n\r\n"),
    "transfer_coding": (501, request("POST", "/", None, "Transfer-Encoding: sugar")),
}


def reasons(values):
    prefix = 'limpet_http_rejected_total{reason="'
    return {series[len(prefix):-2]: value for series, value in values.items() if series.startswith(prefix)}


@pytest.mark.parametrize("reason", REFUSED)
def test_refused(start, reason):
    server, metrics = start("--max-body-size", "1k")
    status, data = REFUSED[reason]
    assert set(reasons(metrics.read()).values()) == {0}
    with Peer(server) as peer:
        peer.send(data)
        assert peer.head().status == status
    eventually(lambda: reasons(metrics.read())[reason] == 1)
    eventually(lambda: classes(metrics.read())[f"{status // 100}xx"] == 1)
    assert sum(reasons(metrics.read()).values()) == 1


def test_clients_that_leave(start):
    server, metrics = start()
    with Peer(server) as peer:
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        eventually(lambda: metrics.value('limpet_worker_connections_active{worker="1"}') > 1)
    eventually(lambda: metrics.value('limpet_http_requests_aborted_total{reason="client"}') == 1)
    eventually(lambda: metrics.value("limpet_connections_errors_total") == 1)


def test_connections(start):
    server, metrics = start()
    before = metrics.read()
    with Peer(server) as one, Peer(server) as two:
        one.ask(request("GET", "/200"))
        two.ask(request("GET", "/200"))
        one.ask(request("GET", "/200"))
        values = metrics.read()
        assert values["limpet_connections_total"] - before["limpet_connections_total"] == 3  # ours, and this one
        assert values['limpet_worker_connections_active{worker="1"}'] >= 3
    eventually(lambda: metrics.value('limpet_worker_connections_active{worker="1"}') == 1)


def test_websockets(application, serve):
    server = serve("app:app", "--workers", 1, "--working-dir", application(ASGI), *HERE)
    metrics = Metrics(server)
    with open_websocket(server, "/") as websocket:
        eventually(lambda: metrics.value('limpet_worker_websockets_active{worker="1"}') == 1)
        assert metrics.value("limpet_websockets_total") == 1
        websocket.close(1000)
    eventually(lambda: metrics.value('limpet_worker_websockets_active{worker="1"}') == 0)
    eventually(lambda: classes(metrics.read())["1xx"] == 1)
    assert metrics.value("limpet_websockets_total") == 1


# --- threads ---


def test_threads(application, serve):
    folder = application(WSGI)
    server = serve("app:app", "--workers", 1, "--working-dir", folder, "--blocking-threads", 1, *HERE)
    server.folder, metrics = folder, Metrics(server)
    assert metrics.value('limpet_worker_threads_busy{worker="1"}') == 0
    with Waiting(server, 3):
        server.wait_for("it waits")
        eventually(lambda: metrics.value('limpet_worker_requests_queued{worker="1"}') == 2)
        values = metrics.read()
        assert values['limpet_worker_threads_busy{worker="1"}'] == 1
        assert values['limpet_worker_threads{worker="1"}'] == 2  # one works, one reads from connections
        # What is under way is told as it goes on.
        spent = values["limpet_threads_busy_seconds_total"]
        eventually(lambda: metrics.value("limpet_threads_busy_seconds_total") > spent + 0.1)
        idle = metrics.value("limpet_threads_idle_seconds_total")
        eventually(lambda: metrics.value("limpet_threads_idle_seconds_total") > idle + 0.1)
    eventually(lambda: metrics.value('limpet_worker_threads_busy{worker="1"}') == 0)
    values = metrics.read()
    assert values['limpet_worker_requests_queued{worker="1"}'] == 0


def test_event_loop(application, serve):
    server = serve("app:app", "--workers", 1, "--working-dir", application(ASGI), *HERE)
    metrics = Metrics(server)
    assert metrics.value('limpet_worker_threads{worker="1"}') == 1
    assert metrics.value('limpet_worker_threads_busy{worker="1"}') == 0

    def spends():
        with server.get("/200"):
            pass
        return metrics.value("limpet_threads_busy_seconds_total") > 0

    eventually(spends)
    idle = metrics.value("limpet_threads_idle_seconds_total")
    eventually(lambda: metrics.value("limpet_threads_idle_seconds_total") > idle + 0.1)


LOCKED = '''
import re
import threading

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/keep":  # one call of C that lets no other thread run
        re.match("(a+)+b", "a" * 23)
    return [b""]
'''


def test_waits_for_the_lock(application, serve):
    server = serve("app:app", "--workers", 1, "--working-dir", application(LOCKED), "--blocking-threads", 4, *HERE)
    metrics = Metrics(server)

    def waits():
        with Peer(server) as one, Peer(server) as two:
            one.send(request("GET", "/keep"))
            two.send(request("GET", "/keep"))
            assert one.answer().status == two.answer().status == 200
        return metrics.value("limpet_python_lock_wait_seconds_total") > 0

    eventually(waits)


# --- memory ---


def test_memory(start):
    server, metrics = start(workers=2)
    values = metrics.read()

    def resident(pid):
        out = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], check=True, capture_output=True, text=True).stdout
        return int(out) * 1024

    told = sorted(values[f'limpet_worker_resident_memory_bytes{{worker="{worker}"}}'] for worker in (1, 2))
    for one, other in zip(told, sorted(map(resident, server.workers()))):
        assert abs(one - other) < 0.1 * other
    supervisor = resident(server.process.pid)
    assert abs(values["limpet_supervisor_resident_memory_bytes"] - supervisor) < 0.1 * supervisor


# --- TLS ---


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


def handshakes(metrics):
    values = metrics.read()
    return [values[f'limpet_tls_handshakes_total{{kind="{kind}"}}'] for kind in ("full", "resumed", "failed")]


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_handshakes(start, pki, version):
    server, metrics = start(*options_of(pki.local))
    context = client_context(pki, version)
    assert handshakes(metrics) == [0, 0, 0]
    peer, _ = handshake(server, context)
    with peer:
        session = peer.socket.session
        assert handshakes(metrics) == [1, 0, 0]
    with TlsPeer(server, context, session=session) as again:
        again.ask(request("GET", "/200"))
        assert again.socket.session_reused
        assert handshakes(metrics) == [1, 1, 0]
    with Peer(server) as plain:
        plain.send(b"\x16\x03\x01\x00\x05nonsense")
        plain.rest()
    eventually(lambda: handshakes(metrics) == [1, 1, 1])
    with Peer(server):
        pass  # who says nothing begins none
    with TlsPeer(server, context) as last:
        last.ask(request("GET", "/200"))
    assert handshakes(metrics) == [2, 1, 1]


def expiry_of(leaf):
    out = subprocess.run(["openssl", "x509", "-in", leaf.chain, "-noout", "-enddate"], check=True, capture_output=True,
                         text=True).stdout
    return calendar.timegm(time.strptime(out.strip(), "notAfter=%b %d %H:%M:%S %Y GMT"))


def test_certificates(application, serve, tmp_path):
    pki = Pki(tmp_path)
    server = serve("app:app", "--workers", 1, "--working-dir", application(WSGI), *HERE, *options_of(pki.local))
    metrics = Metrics(server)
    name = "limpet_tls_certificate_expiry_timestamp_seconds"
    series = f'{name}{{names="localhost, 127.0.0.1",file="{pki.local.chain}"}}'
    assert {key: value for key, value in metrics.read().items() if key.startswith(name)} == \
        {series: expiry_of(pki.local)}
    assert promtool(metrics.text) == ""
    renewed = pki.renewed(days=1000)
    os.replace(renewed.key, pki.local.key)
    os.replace(renewed.chain, pki.local.chain)
    before = expiry_of(pki.local)
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("certificates and keys were read again")
    assert metrics.value(series) == expiry_of(pki.local) == before


# --- workers that end ---


def ask_until(metrics, server, reason, count=1, path="/"):
    """Requests, and looks, until so many were replaced for that reason."""
    def done():
        with Peer(server) as peer:
            peer.ask(request("GET", path))
        return metrics.recycled(reason) >= count

    eventually(done)


def reasons_of(metrics):
    prefix = 'limpet_workers_recycled_total{reason="'
    return {series[len(prefix):-2]: value for series, value in metrics.read().items() if
            series.startswith(prefix) and value}


def test_replaced_by_requests(lifetimes):
    server, metrics = lifetimes("--workers-max-requests", 5)
    ask_until(metrics, server, "requests", 3)
    assert set(reasons_of(metrics)) == {"requests"}
    values = metrics.read()
    assert values["limpet_workers_spawned_total"] >= 4
    # All of them count: Metrics fails if any figure falls meanwhile.
    assert total(values, "limpet_http_requests_total") > 15


def test_replaced_by_age(lifetimes):
    server, metrics = lifetimes("--workers-lifetime", "1s")
    ask_until(metrics, server, "lifetime")
    assert set(reasons_of(metrics)) == {"lifetime"}


def test_replaced_by_memory(lifetimes):
    server, metrics = lifetimes("--workers-max-rss", f"{LARGE // 2 * 2 - 20}M", "--rss-sample-interval", "1s")
    with server.get(f"/grow?{LARGE}"):
        pass
    eventually(lambda: metrics.recycled("memory") == 1)
    assert set(reasons_of(metrics)) == {"memory"}


def test_replaced_by_order(lifetimes):
    server, metrics = lifetimes(workers=2)
    server.process.send_signal(signal.SIGUSR1)
    eventually(lambda: reasons_of(metrics) == {"asked": 2})
    assert metrics.value("limpet_workers_spawned_total") == 4


@pytest.mark.parametrize("workers", [1, 2])
def test_killed(lifetimes, workers):
    server, metrics = lifetimes(workers=workers)
    for _ in range(10):
        with server.get("/"):
            pass
    eventually(lambda: total(metrics.read(), "limpet_http_requests_total") >= 10)
    before = metrics.read()
    for pid in server.workers():
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: len(server.workers()) == workers and reasons_of(metrics) == {"died": workers})
    eventually(lambda: metrics.value('limpet_workers{state="serving"}') == workers)
    after = metrics.read()
    assert total(after, "limpet_http_requests_total") > total(before, "limpet_http_requests_total") >= 10
    assert after["limpet_http_sent_bytes_total"] > before["limpet_http_sent_bytes_total"]


def test_stuck(lifetimes):
    server, metrics = lifetimes("--request-timeout", "500ms", "--workers-kill-timeout", "1s")
    with Peer(server) as peer:
        peer.send(request("GET", "/sleep"))
        assert peer.head().status == 504
    eventually(lambda: reasons_of(metrics) == {"stuck": 1})
    values = metrics.read()
    assert reasons(values)["overdue"] == 1
    server.wait_for("starting another|exited|killed")
    eventually(lambda: metrics.value('limpet_workers{state="serving"}') == 1)
    assert set(reasons_of(metrics)) == {"stuck"}
    server.stop(crashes=True)


def test_never_falls_under_load(lifetimes):
    """Workers come and go by all means while somebody asks without a pause."""
    server, metrics = lifetimes("--workers-max-requests", 40, "--workers-max-requests-jitter", 20, workers=2)
    stops, failures = threading.Event(), []

    def ask():
        while not stops.is_set():
            try:
                with server.get("/"):
                    pass
            except (OSError, urllib.error.URLError):
                pass  # of a worker that was killed

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for kill in range(3):
            # One that is being replaced is none that has died: then another one.
            while metrics.recycled("died") < kill + 1:
                before = server.workers()
                os.kill(before[0], signal.SIGKILL)
                eventually(lambda: before[0] not in server.workers())
        eventually(lambda: metrics.recycled("requests") >= 3)
    except (OSError, EOFError) as failure:
        failures.append(failure)
    finally:
        stops.set()
        for thread in threads:
            thread.join()
    assert not failures
    server.stop(crashes=True)


def test_more_and_fewer_workers(lifetimes):
    server, metrics = lifetimes(workers=1)
    server.process.send_signal(signal.SIGTTIN)
    eventually(lambda: metrics.value('limpet_workers{state="serving"}') == 2)
    assert metrics.value("limpet_workers_wanted") == 2
    server.process.send_signal(signal.SIGTTOU)
    eventually(lambda: metrics.value("limpet_workers_wanted") == 1)
    eventually(lambda: 'worker="2"' not in (metrics.read() and metrics.text))
    assert reasons_of(metrics) == {}


def test_preloaded(lifetimes):
    server, metrics = lifetimes("--preload", workers=2)
    values = metrics.read()
    assert values['limpet_workers{state="serving"}'] == 2 and values["limpet_workers_spawned_total"] == 2
    assert 'worker="0"' not in metrics.text  # what workers are forked from is none
    before = total(values, "limpet_http_requests_total")
    server.process.send_signal(signal.SIGUSR1)
    eventually(lambda: reasons_of(metrics) == {"asked": 2})
    with server.get("/"):
        pass
    assert total(metrics.read(), "limpet_http_requests_total") > before


def test_upgraded(lifetimes):
    server, metrics = lifetimes()
    before = metrics.read()
    server.process.send_signal(signal.SIGUSR2)
    server.follow()
    # It counts anew, as one that was started anew: that is what Prometheus takes it for.
    after = Metrics(server).read()
    assert after["limpet_start_time_seconds"] >= before["limpet_start_time_seconds"]
    assert after["limpet_workers_spawned_total"] == 1
    assert promtool(metrics.text) == ""
