"""Requests, responses and the router: what the rest needs of WSGI (PEP 3333), and no more."""

import json
import re
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl

BODY_SIZE_LIMIT = 2 * 1024 * 1024  # bytes of a request's body: the longest note, percent-encoded
FIELD_LIMIT = 20  # fields of a form or a query string


class HttpError(Exception):
    """Ends a request.

    status: number; message: for the person who reads it; headers: further ones of the response.
    """

    def __init__(self, status, message, headers=()):
        super().__init__(message)
        self.status, self.message, self.headers = HTTPStatus(status), message, list(headers)


@dataclass
class Response:
    """What goes back. content_type None: no body at all (304, 204)."""

    body: bytes = b""
    content_type: str | None = "text/html; charset=utf-8"
    status: int = HTTPStatus.OK
    headers: list = field(default_factory=list)

    def send(self, start_response, with_body=True):
        """Give the response to a WSGI server, without its body for HEAD; return the iterable."""
        status = HTTPStatus(self.status)
        headers = list(self.headers)
        if self.content_type is not None:
            headers.append(("Content-Type", self.content_type))
            headers.append(("Content-Length", str(len(self.body))))
        start_response(f"{status.value} {status.phrase}", headers)
        return [self.body] if with_body and self.body else []


def page(html, status=HTTPStatus.OK, headers=()):
    """Return the response that shows a page of HTML; browsers ask for it again each time."""
    headers = [("Cache-Control", "private, no-cache"), *headers]
    return Response(html.encode(), status=status, headers=headers)


def document(value, status=HTTPStatus.OK, headers=()):
    """Return the response that carries value as JSON."""
    body = json.dumps(value, ensure_ascii=False).encode() + b"\n"
    return Response(body, "application/json", status, [("Cache-Control", "no-store"), *headers])


def nothing():
    """Return 204: done, and nothing to say."""
    return Response(content_type=None, status=HTTPStatus.NO_CONTENT)


def see_other(location):
    """Return 303: done; the result is at location, a path of this application."""
    headers = [("Location", location)]
    return Response(content_type="text/plain", status=HTTPStatus.SEE_OTHER, headers=headers)


class Request:
    """One request, read lazily from its WSGI environ."""

    def __init__(self, environ):
        self.environ = environ
        self.method = environ["REQUEST_METHOD"]
        self.raw_path = environ.get("PATH_INFO") or "/"
        self.token = ""  # guard sets it
        self.token_shown = False

    @property
    def path(self):
        """The path as text. WSGI has its bytes as characters; wrong UTF-8 becomes U+FFFD."""
        return self.raw_path.encode("latin-1").decode(errors="replace")

    def log(self, what):
        """Write a line to the server's error log."""
        print(f"notes: {what}", file=self.environ["wsgi.errors"], flush=True)

    def header(self, name):
        """Return the request header of that name, "" when there is none."""
        return self.environ.get("HTTP_" + name.upper().replace("-", "_"), "")

    @property
    def content_type(self):
        """The body's media type in lower case, parameters left out."""
        return self.environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()

    def query(self):
        """Return the query string's fields. Raises HttpError 400 for malformed or too many."""
        return _fields(self.environ.get("QUERY_STRING", ""))

    def body(self):
        """Return the body's bytes.

        Raises HttpError 413 when it is longer than BODY_SIZE_LIMIT, 400 when it breaks off.
        """
        announced = self.environ.get("CONTENT_LENGTH", "")
        if not re.fullmatch("[0-9]{0,15}", announced):
            raise HttpError(400, "The length of the request is no number.")
        length = int(announced or 0)
        if not announced and self.environ.get("wsgi.input_terminated"):
            length = BODY_SIZE_LIMIT + 1  # unknown; reading ends at the end
        elif length > BODY_SIZE_LIMIT:
            raise _too_large()
        body = self.environ["wsgi.input"].read(length)
        if len(body) > BODY_SIZE_LIMIT:
            raise _too_large()
        if announced and len(body) < length:
            raise HttpError(400, "The request ended before its time.")
        return body

    def form(self):
        """Return the fields of the submitted form. Raises HttpError 400, 413 or 415."""
        if self.content_type != "application/x-www-form-urlencoded":
            raise HttpError(415, "A form is expected here.")
        try:
            return _fields(self.body().decode("ascii"))
        except UnicodeDecodeError as error:
            raise HttpError(400, "The form is not encoded as one.") from error

    def json(self):
        """Return the JSON object in the body. Raises HttpError 400, 413 or 415."""
        if self.content_type != "application/json":
            raise HttpError(415, "Send application/json.")
        try:
            value = json.loads(self.body().decode())
        except (ValueError, RecursionError) as error:
            raise HttpError(400, f"The body is not JSON: {error}.") from error
        if not isinstance(value, dict):
            raise HttpError(400, "The body has to be a JSON object.")
        return value


class Router:
    """Finds the handler of a request.

    routes: rows of (method, pattern, handler). "{id}" in a pattern stands for a note's number,
    "{name}" for a file's name; the handler gets them as arguments. HEAD goes to the GET handler.
    """

    _BLANKS = {"{id}": "([1-9][0-9]{0,14})", "{name}": "([a-z0-9.-]+)"}

    def __init__(self, routes):
        self._routes = [
            (method, self._compile(pattern), handler) for method, pattern, handler in routes
        ]

    def find(self, method, path):
        """Return (handler, its arguments). Raises HttpError 404, or 405 for another method."""
        method = "GET" if method == "HEAD" else method
        allowed = set()
        for known, pattern, handler in self._routes:
            match = pattern.fullmatch(path)
            if match and known == method:
                return handler, [int(part) if part.isdecimal() else part for part in match.groups()]
            if match:
                allowed.update(("GET", "HEAD") if known == "GET" else (known,))
        if not allowed:
            raise HttpError(404, "There is nothing at this address.")
        allow = [("Allow", ", ".join(sorted(allowed)))]
        raise HttpError(405, f"{method} is not possible here.", allow)

    def _compile(self, pattern):
        """Return the pattern as a regular expression."""
        for blank, expression in self._BLANKS.items():
            pattern = pattern.replace(blank, expression)
        return re.compile(pattern)


def _too_large():
    """Return the error for a body over the limit."""
    return HttpError(413, f"That is too much at once: the limit is {BODY_SIZE_LIMIT >> 20} MiB.")


def _fields(encoded):
    """Return percent-encoded fields as a dictionary, the last of a name. Raises HttpError 400."""
    try:
        pairs = parse_qsl(
            encoded, keep_blank_values=True, errors="strict", max_num_fields=FIELD_LIMIT
        )
    except ValueError as error:  # not UTF-8, or too many
        raise HttpError(400, "The fields are malformed or too many.") from error
    return dict(pairs)
