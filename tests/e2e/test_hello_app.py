"""The hello application, called in process. Runs under pytest and under plain unittest."""

import importlib.util
import io
import json
import unittest
from pathlib import Path
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

APP_FILE = Path(__file__).parents[2] / "apps" / "hello" / "app.py"


def load_app():
    """Return the application's WSGI callable."""
    spec = importlib.util.spec_from_file_location("hello_app", APP_FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.app


def call(path, method="GET", body=b""):
    """Return (status line, headers as a dictionary, body) of one request, checked against PEP
    3333."""
    environ = {"SCRIPT_NAME": "", "PATH_INFO": path, "REQUEST_METHOD": method, "QUERY_STRING": ""}
    environ |= {"CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
    setup_testing_defaults(environ)
    answer = []

    def start_response(status, headers, exc_info=None):
        answer.extend((status, dict(headers)))

    parts = validator(load_app())(environ, start_response)
    try:
        return answer[0], answer[1], b"".join(parts)
    finally:
        parts.close()


class Hello(unittest.TestCase):
    def test_greeting_is_thirteen_bytes_of_plain_text(self):
        status, headers, body = call("/")
        self.assertEqual((status, body), ("200 OK", b"Hello, World!"))
        self.assertEqual(headers, {"Content-Type": "text/plain", "Content-Length": "13"})

    def test_head_has_the_length_and_no_body(self):
        status, headers, body = call("/", "HEAD")
        self.assertEqual((status, headers["Content-Length"], body), ("200 OK", "13", b""))

    def test_document_is_json(self):
        _, headers, body = call("/json")
        self.assertEqual(headers["Content-Type"], "application/json")
        self.assertEqual(json.loads(body), {"message": "Hello, World!"})

    def test_echo_returns_every_byte(self):
        sent = bytes(range(256)) * 40
        _, headers, body = call("/echo", "POST", sent)
        self.assertEqual((headers["Content-Length"], body), (str(len(sent)), sent))

    def test_echo_of_nothing_is_empty(self):
        self.assertEqual(call("/echo")[2], b"")

    def test_unknown_path(self):
        self.assertEqual(call("/nowhere")[0], "404 Not Found")


if __name__ == "__main__":
    unittest.main()
