"""The WSGI application: routes, and what becomes of errors."""

import traceback
from http import HTTPStatus

from . import api, assets, guard, pages, views
from .store import NoSuchNote, StoreError
from .web import HttpError, Request, Router, document, page

ROUTES = (
    ("GET", "/", pages.overview),
    ("GET", "/new", pages.new),
    ("POST", "/notes", pages.create),
    ("GET", "/notes/{id}", pages.show),
    ("POST", "/notes/{id}", pages.save),
    ("GET", "/notes/{id}/edit", pages.edit),
    ("POST", "/notes/{id}/pin", pages.pin),
    ("POST", "/notes/{id}/tick", pages.tick),
    ("POST", "/notes/{id}/delete", pages.delete),
    ("POST", "/notes/{id}/restore", pages.restore),
    ("GET", "/deleted", pages.deleted),
    ("POST", "/deleted/forget", pages.forget),
    ("GET", "/api/notes", api.listing),
    ("POST", "/api/notes", api.create),
    ("GET", "/api/notes/{id}", api.show),
    ("PUT", "/api/notes/{id}", api.replace),
    ("DELETE", "/api/notes/{id}", api.delete),
    ("GET", "/static/{name}", assets.serve),
)


_NO_NOTE = "There is no such note. Perhaps it was deleted."
_MISTAKE = "That is a mistake of this program; its log has the details."
_NO_DATABASE = (
    "The notes cannot be reached just now: their database cannot be opened or written. The server's"
    " log says which file it is and why. NOTES_DATABASE=/folder/notes.sqlite3 puts it into a folder"
    " that can be written."
)


class Site:
    """The application. store: the Store that keeps its notes."""

    def __init__(self, store):
        self.store = store
        self.router = Router(ROUTES)

    def __call__(self, environ, start_response):
        """Answer one request (PEP 3333)."""
        request = Request(environ)
        response = self._answer(request)
        guard.seal(request, response)
        return response.send(start_response, with_body=request.method != "HEAD")

    def _answer(self, request):
        """Return the response, that of an error where there was one."""
        try:
            guard.admit(request)
            handler, arguments = self.router.find(request.method, request.path)
            return handler(self.store, request, *arguments)
        except HttpError as error:
            return _problem(request, error)
        except NoSuchNote:
            return _problem(request, HttpError(404, _NO_NOTE))
        except StoreError as error:
            request.log(error)
            return _problem(request, HttpError(503, _NO_DATABASE, [("Retry-After", "5")]))
        except Exception:
            request.log(traceback.format_exc())
            return _problem(request, HttpError(500, _MISTAKE))


def _problem(request, error):
    """Return the response for an HttpError: JSON for programs, a page for people."""
    if request.path.startswith("/api/"):
        return document({"error": error.message}, error.status, error.headers)
    return page(views.error(HTTPStatus(error.status), error.message), error.status, error.headers)
