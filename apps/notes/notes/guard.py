"""Who may send what, and the headers that keep browsers careful.

A request that changes something must come from a page of ours. Browsers say where a request comes
from (Sec-Fetch-Site, Origin), and forms carry a token which only our pages and the browser's cookie
know. Programs send neither; the JSON interface demands methods or a content type which no foreign
page can send without being asked first.
"""

import re
from hmac import compare_digest
from secrets import token_urlsafe
from urllib.parse import urlsplit

from .web import HttpError

COOKIE = "notes_token"
COOKIE_AGE_S = 365 * 24 * 3600
_TOKEN = re.compile(rf"(?:^|;)\s*{COOKIE}=([\w-]{{32}})\s*(?:;|$)", re.ASCII)
SAFE_METHODS = ("GET", "HEAD")

HEADERS = (
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)


_OLD_FORM = (
    "This form is out of date, or cookies are off. Go back, reload the page and try again."
)


def admit(request):
    """Give the request its token, the cookie's or a new one.

    Raises HttpError 403 when a page of another site sent the request.
    """
    request.token = _cookie(request) or token_urlsafe(24)
    if request.method not in SAFE_METHODS and not _from_here(request):
        raise HttpError(403, "This request came from another site and was refused.")


def form(request):
    """Return the fields of the submitted form, token taken out.

    Raises HttpError 403 when the form is not one of ours.
    """
    fields = request.form()
    sent = fields.pop("token", "")
    if not compare_digest(sent.encode(), _cookie(request).encode()) or not sent:
        raise HttpError(403, _OLD_FORM)
    return fields


def token(request):
    """Return the token for a form in the answer to this request; seal() sets its cookie."""
    request.token_shown = True
    return request.token


def seal(request, response):
    """Add the headers that every response carries, and the cookie when the page needs a new one."""
    response.headers.extend(HEADERS)
    if request.token_shown and request.token != _cookie(request):
        secure = "; Secure" if request.environ.get("wsgi.url_scheme") == "https" else ""
        kept = f"Path=/; Max-Age={COOKIE_AGE_S}; HttpOnly; SameSite=Lax{secure}"
        response.headers.append(("Set-Cookie", f"{COOKIE}={request.token}; {kept}"))


def _from_here(request):
    """Tell whether one of our pages sent the request, by the browser's word; without any, yes."""
    site = request.header("Sec-Fetch-Site")
    if site:
        return site in ("same-origin", "none")
    origin = request.header("Origin")
    return not origin or urlsplit(origin).netloc == request.header("Host")


def _cookie(request):
    """Return the token in the request's cookie, "" when there is none of its form."""
    found = _TOKEN.search(request.header("Cookie"))
    return found[1] if found else ""
