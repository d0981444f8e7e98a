"""What the tests of the notes application share: a client that calls it in process."""

import io
import json
import sys
import tempfile
import unittest
from pathlib import Path
from urllib.parse import urlencode
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

APP_FOLDER = Path(__file__).parents[2] / "apps" / "notes"
sys.path.insert(0, str(APP_FOLDER))

from notes import store  # noqa: E402
from notes.model import draft_of  # noqa: E402
from notes.site import Site  # noqa: E402

FORM = "application/x-www-form-urlencoded"


class Answer:
    """What came back. status: number; headers: list of pairs; text: the body."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.text = int(status.split()[0]), headers, body.decode()

    def header(self, name):
        """Return the header of that name, None when there is none."""
        return dict(self.headers).get(name)

    @property
    def json(self):
        return json.loads(self.text)


class Client:
    """A browser of sorts: calls the site through the validator and keeps its one cookie."""

    def __init__(self, site):
        self.site = site
        self.cookie = ""
        self.log = io.StringIO()

    def call(self, method, address, body=b"", content_type="", **more):
        """Return the Answer to one request. more: further entries of the environ."""
        path, _, query = address.partition("?")
        environ = {
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": method,
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": content_type,
            "HTTP_COOKIE": self.cookie,
            "HTTP_HOST": "notes.test",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": self.log,
        }
        setup_testing_defaults(environ)
        started = []
        environ |= more

        def start_response(status, headers, exc_info=None):
            started.extend((status, headers))

        parts = validator(self.site)(environ, start_response)
        answer = Answer(*started, b"".join(parts))
        parts.close()
        self.cookie = (answer.header("Set-Cookie") or self.cookie).partition(";")[0]
        return answer

    def get(self, address, **more):
        return self.call("GET", address, **more)

    def post(self, address, **fields):
        """Submit a form with the token of this client's cookie."""
        fields = {"token": self.cookie.partition("=")[2], **fields}
        return self.call("POST", address, urlencode(fields).encode(), FORM)

    def send(self, method, address, value, **more):
        """Send value as JSON."""
        return self.call(method, address, json.dumps(value).encode(), "application/json", **more)


class Case(unittest.TestCase):
    """A site with a new database and a client that has its cookie."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.store = store.Store(str(self.folder / "notes.sqlite3"))
        self.addCleanup(self.store.close)
        self.client = Client(Site(self.store))
        self.client.get("/new")

    def note(self, title="A title", body="", **more):
        """Keep a note and return it."""
        return self.store.create(draft_of(title, body, **more))
