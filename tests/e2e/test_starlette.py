"""What Starlette's users do beyond the small site: middleware, ranges, lifespan, anyio, httpx, threads, processes."""

import gzip
import json
import urllib.parse

import pytest
from server import eventually
from test_async_frameworks import APPLICATIONS, ask, packages_of
from websocket_people import Socket, refusal

pytestmark = [pytest.mark.static, pytest.mark.unvalidated(reason="no WSGI application")]


@pytest.fixture(scope="module")
def server(packed, debian_packages, alone):
    binary = packed(APPLICATIONS / "things_starlette", *packages_of("starlette", debian_packages), name="starlette")
    return alone(binary).serve("--workers", 1)


def get(server, path, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response, body = ask(server, "GET", path, headers=named)
    return response, json.loads(body)


def test_the_state_of_the_lifespan(server):
    assert get(server, "/state")[1] == {"started": 1, "who": "lifespan"}


def test_middleware(server):
    response, body = ask(server, "GET", "/stream", headers={"Accept-Encoding": "gzip", "Origin": "https://other.test"})
    assert gzip.decompress(body) == b"".join(b"%d\n" % i for i in range(1000))
    assert (response.headers["Content-Encoding"], response.headers["X-Middleware"]) == ("gzip", "yes")
    assert response.headers["Access-Control-Allow-Origin"] == "https://other.test"
    preflight = {"Origin": "https://other.test", "Access-Control-Request-Method": "GET"}
    assert ask(server, "OPTIONS", "/", headers=preflight)[0].status == 200
    assert get(server, "/nowhere")[1] == {"missing": "/nowhere"}


def test_a_file_with_ranges(server):
    response, body = ask(server, "GET", "/file")
    assert body == b"h1 { color: teal }\n" and response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["Content-Disposition"] == "attachment; filename*=utf-8''" + urllib.parse.quote("stÿle.css")
    response, body = ask(server, "GET", "/file", headers={"Range": "bytes=-5"})
    assert (response.status, body, response.headers["Content-Range"]) == (206, b"al }\n"[-5:], "bytes 14-18/19")
    response, body = ask(server, "GET", "/file", headers={"Range": "bytes=0-1", "If-Range": '"other"'})
    assert (response.status, len(body)) == (200, 19)
    response, body = ask(server, "HEAD", "/file")
    assert (body, response.headers["Content-Length"]) == (b"", "19")


def test_cookies_and_headers_of_their_own(server):
    response, _ = ask(server, "GET", "/visits")
    assert response.headers.get_all("Set-Cookie") == [
        "visits=1; HttpOnly; Path=/; SameSite=lax", "second=two; Path=/; SameSite=lax"]
    response, body = ask(server, "GET", "/teapot")
    assert (response.status, response.headers["X-Pot"], body) == (418, "tea", b"short and stout")
    response, body = ask(server, "GET", "/nothing-to-say")
    assert (response.status, body) == (204, b"") and response.headers["Content-Length"] is None


def test_anyio(server):
    assert get(server, "/together")[1] == {
        "order": ["first", "timeout"], "cancelled": True, "library": "asyncio", "task": True}
    assert get(server, "/threads")[1] == {"others": True}
    assert get(server, "/threaded")[1] == {"main": False, "loop": True, "another": True}


def test_processes(server):
    """sys.executable is the binary, which is python to whoever calls it like one."""
    assert get(server, "/process")[1] == ["cba", 3, "anyio"]


def test_aiosqlite(server):
    first, second = get(server, "/database")[1], get(server, "/database")[1]
    assert second[0] == first[0] + 1


def test_httpx(server):
    over, inside, refused = get(server, "/client")[1]
    assert (over, inside) == ({"number": 1, "q": "over"}, {"number": 2, "q": None})
    assert refused.startswith("ConnectError(")  # this server speaks no TLS


def test_addresses(server):
    assert get(server, "/address?a=%20b", Host="shop.test:81")[1] == {
        "url": "http://shop.test:81/address?a=%20b", "for": "http://shop.test:81/things/7", "client": "127.0.0.1",
        "root": ""}


def test_a_websocket_is_denied_with_a_page(server):
    assert refusal(f"{server.url}/denied") == 401


def test_the_end_of_a_websocket_reaches_the_application(server):
    with Socket(f"{server.url}/echo") as echo:
        echo.close(3333)
    eventually(lambda: 3333 in get(server, "/background")[1])


def test_the_lifespan_ends_with_the_worker(server):
    server.stop()
    assert '{"lifespan": "ended"}' in server.log
