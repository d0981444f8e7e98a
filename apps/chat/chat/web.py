"""HTTP responses, and the headers that keep browsers careful: what the rest needs of ASGI (3.0, http)."""

import json
from dataclasses import dataclass, field

HEADERS = (
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
)


@dataclass
class Response:
    """What goes back. content_type None: no body at all (304)."""

    body: bytes = b""
    content_type: str | None = "text/plain; charset=utf-8"
    status: int = 200
    headers: list = field(default_factory=list)

    async def send(self, send, with_body=True):
        """Give it to the server, without its body for HEAD."""
        headers = [*self.headers, *HEADERS]
        if self.content_type is not None:
            headers.append(("content-type", self.content_type))
            headers.append(("content-length", str(len(self.body))))
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers]
        await send({"type": "http.response.start", "status": self.status, "headers": encoded})
        await send({"type": "http.response.body", "body": self.body if with_body else b""})


def document(value):
    """Return the response that carries value as JSON."""
    body = json.dumps(value, ensure_ascii=False).encode() + b"\n"
    return Response(body, "application/json", headers=[("cache-control", "no-store")])


def headers_of(scope):
    """Return a request's headers, by name; the first one of a name."""
    return dict(reversed(scope["headers"]))
