"""What FastAPI's users do beyond the small site: models, their faults, dependencies, OpenAPI.

Its newest pydantic that is pure Python is version 1, which does not see annotations on Python 3.14 by itself: the
application has a module of a page for that, pydantic_annotations.py.
"""

import json

import pytest
from test_async_frameworks import APPLICATIONS, ask, packages_of

pytestmark = [pytest.mark.static, pytest.mark.unvalidated(reason="no WSGI application")]


@pytest.fixture(scope="module")
def server(packed, debian_packages, alone):
    binary = packed(APPLICATIONS / "things_fastapi", *packages_of("fastapi", debian_packages), name="fastapi")
    return alone(binary).serve("--workers", 1)


def send(server, value):
    response, body = ask(server, "POST", "/things", json.dumps(value), {"Content-Type": "application/json"})
    return response, json.loads(body)


def test_models(server):
    rope = {"name": "rope", "price": 1, "tags": ["x"]}
    response, made = send(server, {"name": "Bält", "price": 10, "made_of": rope})
    assert (response.status, response.headers["Location"].encode("latin-1")) == (201, "/things/Bält".encode("latin-1"))
    assert made == {"name": "Bält", "price": 10.0, "tags": [], "total": 12.0,
                    "made_of": {"name": "rope", "price": 1.0, "tags": ["x"], "made_of": None}}


@pytest.mark.parametrize("value, where", [
    ({"price": 1}, ["body", "name"]), ({"name": "", "price": 1}, ["body", "name"]),
    ({"name": "x", "price": -1}, ["body", "price"]), ({"name": "x", "price": 1, "tags": [[]]}, ["body", "tags", 0]),
    ({"name": "x", "price": 1, "made_of": {"price": 1}}, ["body", "made_of", "name"])])
def test_faults_are_named(server, value, where):
    response, told = send(server, value)
    assert response.status == 422 and [each["loc"] for each in told["detail"]] == [where]


def test_a_path_parameter_that_is_no_number(server):
    assert ask(server, "GET", "/things/x")[0].status == 404
    response, body = ask(server, "GET", "/rendered")
    assert response.status == 422 and json.loads(body)["detail"][0]["loc"] == ["query", "name"]


def test_dependencies(server):
    assert ask(server, "GET", "/me")[0].status == 422
    response, _ = ask(server, "GET", "/me", headers={"Authorization": "Bearer bob"})
    assert (response.status, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert json.loads(ask(server, "GET", "/me", headers={"Authorization": "Bearer ada"})[1]) == {"name": "ada"}
    assert "user left" in json.loads(ask(server, "GET", "/background")[1])


def test_openapi(server):
    document = json.loads(ask(server, "GET", "/openapi.json")[1])
    assert document["info"] == {"title": "Things", "version": "1.0"}
    assert set(document["components"]["schemas"]) >= {"Thing", "Priced", "HTTPValidationError"}
    assert "/openapi.json" in ask(server, "GET", "/docs")[1].decode()
