"""Handlers for programs: notes as JSON.

    GET    /api/notes[?q=...&limit=50&offset=0]   {"notes": [excerpts], "total": n}
    POST   /api/notes                             201, the note, Location
    GET    /api/notes/ID                          the note; ETag is its revision
    PUT    /api/notes/ID                          the note; 412 if If-Match names an older revision
    DELETE /api/notes/ID                          204

A note is sent as {"title", "text", "colour", "pinned"}; what is left out is empty.
Errors are {"error": "..."}.
"""

from datetime import datetime, timezone

from .model import Invalid, draft_of
from .store import MARK_END, MARK_START, Conflict
from .web import HttpError, document, nothing

LIST_LIMIT = 200  # notes in one answer
OFFSET_LIMIT = 10**9

_KINDS = {"title": str, "text": str, "colour": str, "pinned": bool}


def listing(store, request):
    """GET /api/notes: excerpts of the notes, or of those that a search finds."""
    fields = request.query()
    limit = _bounded(fields, "limit", 50, LIST_LIMIT)
    offset = _bounded(fields, "offset", 0, OFFSET_LIMIT)
    query = fields.get("q", "").strip()
    if query:
        found, total = store.search(query, limit, offset)
        notes = [_summary(each.note, _unmarked(each.snippet)) for each in found]
    else:
        total = store.count()
        notes = [_summary(note, note.body) for note in store.latest(limit, offset)]
    return document({"notes": notes, "total": total})


def create(store, request):
    """POST /api/notes: keep a new note."""
    note = store.create(_draft(request))
    return _whole(note, 201, [("Location", f"/api/notes/{note.id}")])


def show(store, request, note_id):
    """GET /api/notes/ID: one note, all of it."""
    return _whole(store.get(note_id))


def replace(store, request, note_id):
    """PUT /api/notes/ID: put what is sent in the note's place."""
    draft = _draft(request)
    try:
        return _whole(store.replace(note_id, draft, _expected_revision(request)))
    except Conflict as error:
        raise HttpError(412, "The note was changed in the meantime.") from error


def delete(store, request, note_id):
    """DELETE /api/notes/ID: move the note to the deleted ones."""
    store.delete(note_id)
    return nothing()


def _draft(request):
    """Return the draft in the request's body. Raises HttpError 400, 413 or 415."""
    fields = request.json()
    for name, value in fields.items():
        kind = _KINDS.get(name)
        if kind is None:
            raise HttpError(400, f"A note has no {name!r}; it has {', '.join(_KINDS)}.")
        if not isinstance(value, kind):
            raise HttpError(400, f"{name!r} has to be a {kind.__name__}.")
    fields["body"] = fields.pop("text", "")
    try:
        return draft_of(**fields)
    except Invalid as error:
        raise HttpError(400, str(error)) from error


def _expected_revision(request):
    """Return the revision in If-Match, None for any. Raises HttpError 412 for nonsense."""
    tag = request.header("If-Match").strip()
    if tag in ("", "*"):
        return None
    number = tag.strip('"')
    if not (number.isascii() and number.isdecimal()):
        raise HttpError(412, "The note was changed in the meantime.")
    return int(number)


def _bounded(fields, name, default, limit):
    """Return the query's number of that name. Raises HttpError 400 unless it is from 0 to limit."""
    text = fields.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 12 and int(text) <= limit):
        raise HttpError(400, f"{name!r} has to be a number from 0 to {limit}.")
    return int(text)


def _whole(note, status=200, headers=()):
    """Return the response that carries one note."""
    value = _summary(note, "")
    del value["excerpt"]
    value |= {"text": note.body, "created": _iso(note.created_ms), "revision": note.revision}
    return document(value, status, [("ETag", f'"{note.revision}"'), *headers])


def _summary(note, excerpt):
    """Return what a list tells of a note."""
    return {
        "id": note.id,
        "title": note.title,
        "name": note.name,
        "excerpt": excerpt,
        "colour": note.colour,
        "pinned": note.pinned,
        "updated": _iso(note.updated_ms),
    }


def _unmarked(text):
    """Return text from a search without the marks around found words."""
    return text.replace(MARK_START, "").replace(MARK_END, "")


def _iso(milliseconds):
    """Return milliseconds since 1970 as an ISO 8601 time in UTC."""
    when = datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
    return when.isoformat(timespec="milliseconds")
