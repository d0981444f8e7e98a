"""X-Request-ID: a name for each request that its client, its answer and the application agree on; the client's own where
that is harmless (--request-id)."""

import re

import pytest
from raw_client import Peer, request

OWN = re.compile(r"[0-9a-f]{32}\Z")

APPLICATION = '''
def app(environ, start_response):
    if environ["PATH_INFO"] == "/fails":
        raise ValueError("on purpose")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ.get("HTTP_X_REQUEST_ID", "none").encode()]
'''


@pytest.fixture
def server(serve, tmp_path):
    (tmp_path / "app.py").write_text(APPLICATION)
    return serve("app:app", "--request-id", "--workers", "1", folder=tmp_path)


def ask(server, path="/", fields=(), method="GET"):
    """(status, X-Request-ID, body)."""
    with Peer(server) as peer:
        answer = peer.ask(request(method, path, None, *(f"X-Request-ID: {field}" for field in fields)))
    return answer.status, answer.get("X-Request-ID"), answer.body


@pytest.mark.parametrize("own", ["a", "2f6c0bd1-6f6d-4f8e-9c0e-0d6c3b6f9f3a", "Root=1-67891233-abcdef012345678912345678",
                                 "x" * 128])
def test_the_clients_own_is_kept(server, own):
    assert ask(server, fields=[own]) == (200, own, own.encode())


@pytest.mark.parametrize("own", ["", "a b", "a\"b", "<script>", "\xe4", "x" * 129, "a;b", "a,b"])
def test_what_may_do_harm_is_replaced(server, own):
    status, given, _ = ask(server, fields=[own])
    assert status == 200 and OWN.match(given)


def test_each_request_has_another(server):
    seen = {ask(server)[1] for _ in range(50)}
    assert len(seen) == 50 and all(OWN.match(name) for name in seen)


def test_on_one_connection_too(server):
    with Peer(server) as peer:
        seen = {peer.ask(request("GET", "/")).get("X-Request-ID") for _ in range(50)}
    assert len(seen) == 50


@pytest.mark.parametrize("path, status", [("/fails", 500), ("/health/live", 200)])
def test_answers_of_our_own_have_it(server, path, status):
    got, given, _ = ask(server, path)
    assert got == status and OWN.match(given)


def test_head_and_no_body(server):
    status, given, body = ask(server, method="HEAD")
    assert (status, body) == (200, b"") and OWN.match(given)


def test_without_the_option_nothing_is_said(serve, tmp_path):
    (tmp_path / "app.py").write_text(APPLICATION)
    server = serve("app:app", "--workers", "1", folder=tmp_path)
    assert ask(server, fields=["mine"]) == (200, None, b"mine")
