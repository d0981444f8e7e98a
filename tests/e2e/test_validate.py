"""That wsgiref.validate, where applications under test run inside it, is heard."""

import http.client

import pytest
import validate
from server import Server

APPLICATION = '''
caught = None

class Unclosed:
    def __iter__(self):
        return iter([b"never asked for"])

def app(environ, start_response):
    global caught
    headers = [("Content-Type", "text/plain")]
    path = environ["PATH_INFO"]
    if path == "/closes":
        environ["wsgi.input"].close()
    elif path == "/catches":
        try:
            environ["wsgi.errors"].close()
        except AssertionError:
            pass
    elif path == "/status":
        start_response(200, headers)
    elif path == "/drops":
        # A server that never closes an iterable looks to the validator like this.
        import wsgiref.validate
        wsgiref.validate.IteratorWrapper(Unclosed(), None)
    elif path == "/raises":
        raise AssertionError("the application's own")
    environ["wsgi.input"].read()
    start_response("200 OK", headers)
    return [path.encode()]
'''


@pytest.fixture
def ask(limpet, application, tmp_path):
    """ask(method, path) -> (status, what ending the server then says)."""
    arguments = validate.served(["app:app", "--working-dir", application(APPLICATION)], tmp_path / "module")
    server = Server([limpet, "serve", *arguments, "--workers", 1, "--port", 0], alerts=validate.VIOLATIONS)

    def once(method, path):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request(method, path)
        status = connection.getresponse().status
        connection.close()
        try:
            server.stop()
        except AssertionError as error:
            return status, str(error)
        return status, ""

    yield once
    server.kill()


@pytest.mark.parametrize("method, path, status, complaint", [
    ("GET", "/closes", 500, "AssertionError: input.close() must not be called"),
    ("GET", "/catches", 200, ""),  # swallowed: nobody can know
    ("GET", "/status", 500, "AssertionError: Status must be of type str"),
    ("GET", "/drops", 200, "Iterator garbage collected without being closed"),
    ("BREW", "/", 200, "WSGIWarning: Unknown REQUEST_METHOD: 'BREW'"),
    ("GET", "/raises", 500, ""),
    ("POST", "/", 200, ""),
])
def test_violations_fail_the_test(ask, method, path, status, complaint):
    got, said = ask(method, path)
    assert got == status
    assert complaint in said and bool(complaint) == bool(said)
