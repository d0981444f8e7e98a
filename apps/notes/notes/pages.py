"""Handlers for people: pages and forms.

Every form ends in a redirect, so that reloading the page never sends it twice.
"""

import re

from . import guard, markup, views
from .model import Draft, Invalid, draft_of
from .store import Conflict, StoreError
from .web import HttpError, page, see_other

PAGE_SIZE = 60  # notes
PAGE_LIMIT = 100_000  # the highest page number taken
TAGS_SHOWN = 12

_NOT_KEPT = (
    "The note could not be kept: the database cannot be written just now. Your text is still here."
)


def overview(store, request):
    """GET /: all notes as cards, or what a search finds (?q=...); ?page=2 has the next ones."""
    fields = request.query()
    query = fields.get("q", "").strip()
    number = _number(fields.get("page", "1"), PAGE_LIMIT) or 1
    offset = (number - 1) * PAGE_SIZE
    if query:
        found, total = store.search(query, PAGE_SIZE, offset)
        pager = views.pager(number, total > offset + PAGE_SIZE, query)
        return page(views.results(request, query, found, total, pager))
    notes = store.latest(PAGE_SIZE + 1, offset)
    pager = views.pager(number, len(notes) > PAGE_SIZE)
    deleted = _number(fields.get("deleted", ""), 10**15)
    notice = views.undo_notice(request, deleted) if deleted else views.NOTHING
    return page(views.overview(request, notes[:PAGE_SIZE], store.tags(TAGS_SHOWN), pager, notice))


def show(store, request, note_id):
    """GET /notes/ID: one note, to be read."""
    return page(views.reader(request, store.get(note_id)))


def new(store, request):
    """GET /new: the form for a new note."""
    return page(views.editor(request, Draft()))


def edit(store, request, note_id):
    """GET /notes/ID/edit: the form for a note."""
    note = store.get(note_id)
    return page(views.editor(request, note.draft, note.id, note.revision))


def create(store, request):
    """POST /notes: keep a new note."""
    fields = guard.form(request)
    try:
        note = store.create(_draft(fields))
    except (Invalid, StoreError) as error:
        return _again(request, fields, error)
    return see_other(f"/notes/{note.id}")


def save(store, request, note_id):
    """POST /notes/ID: put the form's content in the note's place."""
    fields = guard.form(request)
    try:
        store.replace(note_id, _draft(fields), _number(fields.get("revision", ""), 10**15))
    except Conflict:
        theirs = store.get(note_id)
        html = views.editor(request, _draft(fields), note_id, theirs.revision, theirs=theirs)
        return page(html, 409)
    except (Invalid, StoreError) as error:
        return _again(request, fields, error, note_id)
    return see_other(f"/notes/{note_id}")


def pin(store, request, note_id):
    """POST /notes/ID/pin: pin the note (pinned=1) or unpin it, and go back to the button."""
    fields = guard.form(request)
    store.pin(note_id, fields.get("pinned") == "1")
    return see_other(_local_address(fields.get("back", "")) or f"/notes/{note_id}")


def tick(store, request, note_id):
    """POST /notes/ID/tick: tick or untick a task; a note changed since is only shown again."""
    fields = guard.form(request)
    note = store.get(note_id)
    try:
        body = markup.toggle_task(note.body, int(fields.get("line", "")))
        draft = Draft(note.title, body, note.colour, note.pinned)
        store.replace(note_id, draft, _number(fields.get("revision", ""), 10**15))
    except ValueError as error:
        raise HttpError(400, "There is no task in that line.") from error
    except Conflict:
        pass
    return see_other(f"/notes/{note_id}")


def delete(store, request, note_id):
    """POST /notes/ID/delete: move the note to the deleted ones; the next page can undo it."""
    guard.form(request)
    store.delete(note_id)
    return see_other(f"/?deleted={note_id}")


def restore(store, request, note_id):
    """POST /notes/ID/restore: bring a deleted note back."""
    guard.form(request)
    store.restore(note_id)
    return see_other(f"/notes/{note_id}")


def deleted(store, request):
    """GET /deleted: the deleted notes that are still kept."""
    return page(views.deleted_notes(request, store.deleted()))


def forget(store, request):
    """POST /deleted/forget: remove the deleted notes for good."""
    guard.form(request)
    store.forget_deleted()
    return see_other("/deleted")


def _draft(fields):
    """Return the draft in a form. Raises Invalid."""
    return draft_of(*_written(fields))


def _written(fields):
    """Return what a form says of a note: title, body, colour, pinned."""
    text = fields.get("title", ""), fields.get("body", "")
    return *text, fields.get("colour", "plain"), fields.get("pinned") == "1"


def _again(request, fields, error, note_id=None):
    """Show the form again with everything that was written, and why it could not be kept."""
    status, message = 400, str(error)
    if isinstance(error, StoreError):
        request.log(error)
        status, message = 503, _NOT_KEPT
    draft = Draft(*_written(fields))
    return page(views.editor(request, draft, note_id, fields.get("revision", ""), message), status)


def _number(text, limit):
    """Return the number from 1 to limit that text spells, else None."""
    return int(text) if re.fullmatch("[1-9][0-9]{0,14}", text) and int(text) <= limit else None


def _local_address(text):
    """Return text if it is an address on this site (path and query alone), else ""."""
    return text if re.fullmatch(r"/(?![/\\])[!-~]*", text) else ""
