"""The small site of test_frameworks.py by asynchronous frameworks, each packed, alone in an empty root; and WebSockets.

What is imported from there are tests that run here once more.
"""

import http.client
import json
import pathlib

import pytest
from server import eventually
from test_frameworks import (  # noqa: F401
    ask, test_an_error_is_in_the_log_and_not_on_the_page, test_cookies, test_form, test_json_and_parameters, test_page,
    test_static_file, test_stream, test_uploads)
from visitor import Visitor
from websocket_people import Socket, refusal

pytestmark = [pytest.mark.static, pytest.mark.unvalidated(reason="no WSGI application")]

APPLICATIONS = pathlib.Path(__file__).parent / "applications"
ANYIO = ("python3-anyio", "python3-sniffio", "python3-idna", "python3-typing-extensions")
STARLETTE = ("python3-starlette", "python3-python-multipart", "python3-jinja2", "python3-markupsafe", *ANYIO)
FRAMEWORKS = {
    "starlette": (*STARLETTE, "python3-httpx", "python3-h11", "python3-certifi", "python3-aiosqlite"),
    "quart": ("python3-quart", "python3-hypercorn", "python3-aiofiles", "python3-flask", "python3-werkzeug",
              "python3-jinja2", "python3-markupsafe", "python3-itsdangerous", "python3-click", "python3-blinker",
              "python3-h11", "python3-h2", "python3-hpack", "python3-hyperframe", "python3-wsproto", "python3-priority",
              "python3-typing-extensions"),
    "fastapi": ("python3-fastapi", *STARLETTE),
    "django": ("python3-asgiref", "python3-sqlparse", "python3-whitenoise"),
    "rsgi": (),
}
# Where trixie's do not fit Python 3.14: httpcore 1.0.7 fails at its import.
OTHER_SUITES = {"starlette": {"forky": ("python3-httpcore",)}, "fastapi": {"bookworm": ("python3-pydantic",)},
                "django": {"trixie-backports": ("python3-django",)}}


@pytest.fixture(scope="module", params=FRAMEWORKS)
def framework(request):
    return request.param


@pytest.fixture(scope="module")
def server(framework, packed, debian_packages, alone):
    packages = packages_of(framework, debian_packages)
    return alone(packed(APPLICATIONS / f"things_{framework}", *packages, name=framework)).serve(
        "--workers", 2, "--body-buffer", "64k")


def packages_of(framework, debian_packages):
    """The options of pack for all that it needs."""
    own = FRAMEWORKS[framework]
    folders = [*([debian_packages(*own)] if own else []), *(
        debian_packages(*names, suite=suite) for suite, names in OTHER_SUITES.get(framework, {}).items())]
    return [each for folder in folders for each in ("--with", folder)]


def test_methods_that_are_not_there(server):
    assert ask(server, "DELETE", "/")[0].status == 405
    response, _ = ask(server, "GET", "/form")
    assert response.status == 405 and "POST" in response.headers["Allow"]
    response, body = ask(server, "OPTIONS", "/things/1")
    assert response.status in (200, 405)
    assert ask(server, "GET", "/teapot")[0].status == 418


def test_a_static_file_by_its_tag(server, framework):
    response, _ = ask(server, "GET", "/static/style.css")
    tag = response.headers["ETag"]
    known = tag if framework == "django" else f'"other", {tag}'  # WhiteNoise knows no lists
    response, body = ask(server, "GET", "/static/style.css", headers={"If-None-Match": known})
    assert (response.status, body, response.headers["ETag"]) == (304, b"", tag)
    assert ask(server, "GET", "/static/style.css", headers={"If-None-Match": '"other"'})[0].status == 200
    response, body = ask(server, "HEAD", "/static/style.css")
    assert (response.status, body, response.headers["Content-Length"]) == (200, b"", "19")
    response, body = ask(server, "GET", "/static/style.css", headers={"Range": "bytes=100-200"})
    assert response.status == 416


def test_a_template_of_the_archive(server):
    response, body = ask(server, "GET", "/rendered?name=%3CAda%3E")
    assert "<h1>Hello, &lt;Ada&gt;</h1>" in body.decode() and "/things/7" in body.decode()


def test_what_the_start_of_the_worker_left(server):
    assert json.loads(ask(server, "GET", "/state")[1])["started"] == 1


def test_a_background_task_goes_on_after_the_answer(server):
    """Asked over one connection, which stays with its worker, until it has been done."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)

    def is_done():
        connection.request("GET", "/background")
        return "async" in json.loads(connection.getresponse().read())

    eventually(is_done)


def test_a_plain_function_runs_in_a_thread(server):
    assert json.loads(ask(server, "GET", "/threaded")[1])["main"] is False


def test_echo(server, framework):
    with Socket(f"{server.url}/echo", subprotocols=["other", "things"]) as echo:
        if framework != "rsgi":  # whose accept has neither
            assert (echo.subprotocol, echo.headers["X-Who"]) == ("things", framework)
        for message in ("Ünïcødé 🐚", b"\0\1\xff", "", "x" * 100_000, b"y" * 1_000_000):
            echo.send(message)
            assert echo.receive() == message
    with Socket(f"{server.url}/echo") as echo:
        assert echo.subprotocol is None


def test_a_websocket_knows_the_request_and_says_why_it_closes(server, framework):
    with Socket(f"{server.url}/closing?q=%C3%BC", headers={"Cookie": "visits=7"}) as closing:
        assert json.loads(closing.receive()) == {"q": "ü", "cookie": "7", "started": 1}
        code, reason = closing.ending()
        assert code == 4001 and (reason == "that is all" or framework == "rsgi")


def test_websockets_that_are_refused(server):
    assert refusal(f"{server.url}/refused") == 403
    assert refusal(f"{server.url}/nowhere") in (403, 404)
    response, _ = ask(server, "GET", "/echo")
    assert response.status in (400, 404)


def test_a_redirect_keeps_the_address_of_the_client(server):
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    page = Visitor(server.url).request("POST", "/form", b"name=Ada", kind)
    assert page.url == f"{server.url}/hello/Ada"
