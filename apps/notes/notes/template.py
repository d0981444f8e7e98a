"""HTML files with blanks ($name), filled in so that only text marked as HTML is taken for HTML."""

import re
from functools import cache
from html import escape
from importlib.resources import files


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def html(value):
    """Return value as Html: Html as it is, None as nothing, everything else escaped."""
    if isinstance(value, Html):
        return value
    return Html("" if value is None else escape(str(value)))


def join(parts):
    """Return the parts, each passed through html(), as one Html."""
    return Html("".join(map(html, parts)))


def fill(name, /, **values):
    """Return templates/NAME.html with its blanks filled in. Raises KeyError for one left blank."""
    pieces = list(_load(name))
    pieces[1::2] = [html(values[blank]) for blank in pieces[1::2]]
    return Html("".join(pieces))


@cache
def _load(name):
    """Return the template of that name, read once: text and names of blanks in turn."""
    file = files(__package__) / "templates" / f"{name}.html"
    return tuple(re.split(r"\$(\w+)", file.read_text("utf-8")))
