"""Pages from notes.

Every public function but the parts of pages (pager, undo_notice) returns a whole page as Html;
request is the one that it answers.
"""

from datetime import datetime, timezone
from urllib.parse import urlencode

from . import guard, markup
from .assets import ASSETS
from .model import BODY_LIMIT, COLOURS, TITLE_LIMIT
from .store import DELETED_KEPT, MARK_END, MARK_START
from .template import Html, fill, html, join

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
NOTHING = Html("")


def overview(request, notes, tags, pager, notice):
    """Show the notes as cards. tags: pairs of (tag, number of notes); pager, notice: Html."""
    groups = join(
        _group(request, title, [note for note in notes if note.pinned == pinned])
        for title, pinned in (("Pinned", True), ("Notes", False))
    )
    cards = groups or fill("empty")
    main = fill("overview", notice=notice, tags=_tags(tags), cards=cards, pager=pager)
    return _layout("Notes", main)


def results(request, query, found, total, pager):
    """Show what a search found. found: list of Found; total: how many there are on all pages."""
    back = "/?" + urlencode({"q": query})
    cards = join(
        _card(request, each.note, back, _marked(each.title), _marked(markup.plain(each.snippet)))
        for each in found
    )
    hint = "" if total else "Fewer words find more; the beginning of a word is enough. "
    values = {"query": query, "hint": hint, "summary": _summary(total)}
    main = fill("results", cards=cards, pager=pager, **values)
    return _layout(f"Search: {query}", main, query)


def pager(page, more, query=""):
    """Return the links to the pages before and after this one, nothing where there are none.

    page: this one's number, from 1; more: whether there is one after it; query: of a search.
    """
    search = {"q": query} if query else {}
    links = join(
        fill("pager_link", text=text, address="/?" + urlencode({**search, "page": number}))
        for text, number, needed in (
            ("Newer notes", page - 1, page > 1),
            ("Older notes", page + 1, more),
        )
        if needed
    )
    return fill("pager", links=links) if links else NOTHING


def undo_notice(request, note_id):
    """Return the notice that the note of that id was deleted, with a button that brings it back."""
    return fill("undo", id=note_id, token=guard.token(request))


def reader(request, note):
    """Show one note."""
    values = _values(request, note, f"/notes/{note.id}")
    values |= {"dates": _dates(note), "revision": note.revision}
    return _layout(note.name, fill("reader", text=markup.render(note.body), **values))


def editor(request, draft, note_id=None, revision="", error="", theirs=None):
    """Show the form for a note.

    draft: what it holds at first; note_id, revision: of the note, None and "" for a new one;
    error: why the last attempt failed; theirs: the Note that another change has made meanwhile.
    """
    problem = fill("problem", message=error) if error else NOTHING
    if theirs:
        problem = fill("conflict", title=theirs.title, body=theirs.body)
    main = fill(
        "editor",
        heading="Edit note" if note_id else "New note",
        action=f"/notes/{note_id}" if note_id else "/notes",
        cancel=f"/notes/{note_id}" if note_id else "/",
        problem=problem,
        token=guard.token(request),
        revision=revision,
        title=draft.title,
        body=draft.body,
        title_limit=TITLE_LIMIT,
        body_limit=BODY_LIMIT,
        colours=join(_swatch(colour, colour == draft.colour) for colour in COLOURS),
        colour=draft.colour,
        pinned=Html("checked") if draft.pinned else NOTHING,
    )
    return _layout("Edit note" if note_id else "New note", main)


def deleted_notes(request, notes):
    """Show the deleted notes that are still kept."""
    rows = join(_deleted(request, note) for note in notes)
    if not rows:
        return _layout("Deleted notes", fill("deleted_none", kept=DELETED_KEPT))
    main = fill("deleted_notes", rows=rows, kept=DELETED_KEPT, token=guard.token(request))
    return _layout("Deleted notes", main)


def error(status, message):
    """Show what went wrong. status: HTTPStatus; message: for the person."""
    main = fill("error", title=status.phrase, message=message)
    return _layout(f"{status.value} {status.phrase}", main)


def _layout(title, main, query=""):
    """Return the page around main. title: of the window; query: in the search field."""
    return fill(
        "layout",
        title=title if title == "Notes" else f"{title} · Notes",
        main=main,
        query=query,
        style=ASSETS["style.css"].address,
        script=ASSETS["script.js"].address,
        icon=ASSETS["icon.svg"].address,
    )


def _group(request, title, notes):
    """Return the notes as cards under a title, nothing when there are none."""
    cards = join(_card(request, note, "/") for note in notes)
    return fill("group", title=title, cards=cards) if notes else NOTHING


def _card(request, note, back, title=None, text=None):
    """Return one note as a card.

    back: the address to return to; title, text: Html to show instead of the note's own.
    """
    values = _values(request, note, back)
    values["name"] = title or note.name
    if text is None:
        # A note without a title is named by its first line; the preview has the rest.
        rest = note.body if note.title else note.body.lstrip().partition("\n")[2]
        text = markup.plain(rest)
    return fill("card", label=note.name, text=text, **values)


def _values(request, note, back):
    """Return what the templates card and reader both show of a note."""
    return {
        "id": note.id,
        "name": note.name,
        "colour": note.colour,
        "updated": _time(note.updated_ms),
        "token": guard.token(request),
        "back": back,
        "pin": "Unpin" if note.pinned else "Pin",
        "pinned": "true" if note.pinned else "false",
        "pin_value": 0 if note.pinned else 1,
    }


def _deleted(request, note):
    """Return one row of the deleted notes."""
    return fill(
        "deleted_note",
        id=note.id,
        name=note.name,
        text=markup.plain(note.body)[:140],
        when=_time(note.deleted_ms),
        token=guard.token(request),
    )


def _tags(tags):
    """Return the row of tags, nothing when there are none."""
    links = join(
        fill("tag", address="/?" + urlencode({"q": tag}), tag=tag, count=count)
        for tag, count in tags
    )
    return fill("tags", links=links) if links else NOTHING


def _swatch(colour, chosen):
    """Return one of the colours to choose from."""
    return fill("swatch", colour=colour, checked=Html("checked") if chosen else NOTHING)


def _summary(total):
    """Return how many notes were found, in words."""
    return {0: "No notes", 1: "1 note"}.get(total, f"{total:,} notes")


def _marked(text):
    """Return text from the store's search as Html, found words emphasised."""
    return Html(html(text).replace(MARK_START, "<mark>").replace(MARK_END, "</mark>"))


def _dates(note):
    """Return when the note was written, and when it was changed if it ever was."""
    written = Html(f"Written {_time(note.created_ms)}")
    if note.updated_ms == note.created_ms:
        return written
    return Html(f'{written} <span class="dot">·</span> changed {_time(note.updated_ms)}')


def _time(milliseconds):
    """Return a <time> element for milliseconds since 1970; the script shows the reader's zone."""
    when = datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
    text = f"{when.day} {_MONTHS[when.month - 1]} {when.year}, {when:%H:%M} UTC"
    return Html(f'<time datetime="{when:%Y-%m-%dT%H:%M:%SZ}">{text}</time>')
