"""What a note is, and which input makes one."""

import re
from dataclasses import dataclass

TITLE_LIMIT = 200  # characters
BODY_LIMIT = 100_000  # characters
COLOURS = ("plain", "rose", "amber", "moss", "sea", "violet")

# Everything unprintable except tab and newline: it can only come from a mishap, and views relies on
# its absence for the marks around found words.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class Invalid(ValueError):
    """The input makes no note; str() says why, in words for the person who sent it."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person decides about a note."""

    title: str = ""
    body: str = ""
    colour: str = "plain"
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """A note as it is kept. Times are milliseconds since 1970, UTC; every change adds 1 to
    revision."""

    id: int
    title: str
    body: str
    colour: str
    pinned: bool
    created_ms: int
    updated_ms: int
    deleted_ms: int | None
    revision: int

    @property
    def name(self):
        """The title, or the first words of the text for a note without one."""
        if self.title:
            return self.title
        first_line = self.body.lstrip().partition("\n")[0].lstrip("#>-* ").strip()
        return first_line[:80] or "Untitled"

    @property
    def draft(self):
        """The part of the note that can be edited."""
        return Draft(self.title, self.body, self.colour, self.pinned)


def draft_of(title="", body="", colour="plain", pinned=False):
    """Return the Draft that these values make: line ends as \\n, no control characters, trimmed.

    Raises Invalid when a text is too long or empty, or the colour is unknown.
    """
    title = " ".join(_tidy(title).split())
    body = _tidy(body).rstrip()
    if not title and not body:
        raise Invalid("A note needs a title or some text.")
    if len(title) > TITLE_LIMIT:
        raise Invalid(f"The title has {len(title):,} characters; {TITLE_LIMIT:,} is the most.")
    if len(body) > BODY_LIMIT:
        raise Invalid(f"The text has {len(body):,} characters; {BODY_LIMIT:,} is the most.")
    if colour not in COLOURS:
        raise Invalid(f"There is no such colour; choose one of {', '.join(COLOURS)}.")
    return Draft(title, body, colour, pinned)


def _tidy(text):
    """Return text with \\n as its only line end and without control characters.

    Raises Invalid for half a character (a lone surrogate).
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Invalid("The text is damaged: it holds half a character.") from error
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
