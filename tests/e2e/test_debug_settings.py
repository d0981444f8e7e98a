"""Werkzeug's debugger belongs to its development server: whatever an application's settings say, it is not served."""

import http.client

import pytest
from test_flask import FLASK

pytestmark = pytest.mark.unsanitized(reason="it is about pages that Python makes")

FAULTY = '''
from flask import Flask

app = Flask(__name__)
{settings}


@app.get("/")
def index():
    return "debug" if app.debug else "no debug"


@app.route("/broken", methods=["GET", "POST"])
def broken():
    password = "hunter2"
    raise RuntimeError("cannot log in with " + password)


@app.get("/later")
def later():
    def body():
        yield "beginning "
        raise RuntimeError("no end")
    return body()


if __name__ == "__main__":
    app.run(debug=True)
'''
SETTINGS = {"environment": "", "attribute": "app.debug = True",
            "configuration": "app.config.update(DEBUG=True, PROPAGATE_EXCEPTIONS=True)"}
ENVIRONMENT = {"FLASK_DEBUG": "1", "FLASK_ENV": "development", "WERKZEUG_DEBUG_PIN": "off", "WERKZEUG_RUN_MAIN": "true",
               "PYTHONDEVMODE": "1", "PYTHONDEBUG": "1"}


@pytest.fixture(scope="module", params=SETTINGS)
def binary(request, packed, debian_packages, tmp_path_factory):
    folder = tmp_path_factory.mktemp("faulty")
    (folder / "app.py").write_text(FAULTY.format(settings=SETTINGS[request.param]))
    return packed(folder, "--with", debian_packages(*FLASK), name="faulty")


@pytest.fixture
def server(binary, serve):
    return serve("--workers", 1, binary=binary, environment=ENVIRONMENT)


def ask(server, path, method="GET", headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request(method, path, headers=headers or {})
    response = connection.getresponse()
    try:
        body = response.read()
    except http.client.IncompleteRead as error:
        body = error.partial
    connection.close()
    return response, body.lower()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_exception_is_a_plain_500(server, method):
    assert ask(server, "/")[1] == b"debug"
    response, body = ask(server, "/broken", method)
    assert response.status == 500 and len(body) < 500
    for told in (b"traceback", b"hunter2", b"app.py", b"werkzeug", b"debugger", b"evalex", b"secret", b"<script"):
        assert told not in body, body
    server.wait_for("RuntimeError: cannot log in with hunter2")
    assert ask(server, "/")[0].status == 200, "the worker is there still"


@pytest.mark.parametrize("path", [
    "/console", "/?__debugger__=yes&cmd=resource&f=style.css", "/?__debugger__=yes&cmd=resource&f=debugger.js",
    "/?__debugger__=yes&cmd=printpin&s=x", "/broken?__debugger__=yes&cmd=7*7&frm=0&s=x"])
def test_there_is_no_console(server, path):
    response, body = ask(server, path)
    expected = {"/console": 404, "/broken": 500}.get(path.partition("?")[0], 200)
    assert response.status == expected and b"console" not in body and b"49" not in body
    assert expected != 200 or body == b"debug"


def test_an_exception_after_the_beginning_cuts_the_answer(server):
    response, body = ask(server, "/later")
    assert (response.status, body) == (200, b"beginning ")
    server.wait_for("RuntimeError: no end")
