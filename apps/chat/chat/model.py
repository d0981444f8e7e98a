"""What names, texts and rooms may be; the words between server and browser.

Every message of a WebSocket is a JSON object in a text frame; its "type" says which.

    browser                                        server
    hello   tab, name, epoch, since                welcome  you, name, epoch, people, messages, gap
    say     key, text                              message  id, time, from, name, text, key
    name    name                                   joined, left, renamed  id, name, people
    beat                                           beat
                                                   refused  what, why, key

tab: a secret of one browser tab, by which it is known again when it comes back. key: of one thing
said, chosen by the browser: what is sent again after an interruption is not said twice.
"""

import json
import re
import unicodedata

NAME_LIMIT = 30  # characters
TEXT_LIMIT = 2000  # characters
FRAME_LIMIT = 32 * 1024  # characters of a message: the longest text, written as escapes
ROOM_LIMIT = 40  # characters

# Close codes: RFC 6455 section 7.4.1, and from 4000 on our own.
UNSUPPORTED, POLICY, TOO_BIG, TRY_LATER = 1003, 1008, 1009, 1013
TOO_SLOW, ELSEWHERE = 4001, 4002

_TAB = re.compile(r"[A-Za-z0-9_-]{16,64}")
_KEY = re.compile(r"[A-Za-z0-9_-]{1,40}")
_ROOM = re.compile(rf"\w[\w-]{{0,{ROOM_LIMIT - 1}}}")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_MANY_LINES = re.compile(r"\n{3,}")


class Invalid(ValueError):
    """Input that is not taken; str() says why, in words for the person who sent it."""


def room_of(text):
    """Return the name of a room as it is kept: lower case, words joined by "-". Raises Invalid."""
    room = "-".join(unicodedata.normalize("NFKC", text).casefold().split())
    if not _ROOM.fullmatch(room):
        raise Invalid(
            f"A room's name has 1 to {ROOM_LIMIT} letters, digits, hyphens and underscores."
        )
    return room


def name_of(value):
    """Return a person's name as it is shown, on one line. Raises Invalid."""
    parts = "".join(c for c in _text(value) if c.isspace() or _is_shown(c)).split()
    name = " ".join(parts)
    if not name:
        raise Invalid("Please say who you are.")
    if len(name) > NAME_LIMIT:
        raise Invalid(f"That name has {len(name)} characters; {NAME_LIMIT} is the most.")
    return name


def text_of(value):
    """Return what a person says: \\n as the only line end, no control characters, trimmed.

    Raises Invalid when it is too long or empty.
    """
    text = _text(value).replace("\r\n", "\n").replace("\r", "\n")
    text = _MANY_LINES.sub("\n\n", _CONTROLS.sub("", text)).strip("\n").rstrip()
    if not text.strip():
        raise Invalid("There is nothing in it.")
    if len(text) > TEXT_LIMIT:
        raise Invalid(f"That has {len(text):,} characters; {TEXT_LIMIT:,} is the most.")
    return text


def tab_of(value):
    """Return the secret of a tab. Raises Invalid."""
    return _matching(_TAB, value, "tab")


def key_of(value):
    """Return the key of something said. Raises Invalid."""
    return _matching(_KEY, value, "key")


def parse(text):
    """Return the JSON object of a message from a browser. Raises Invalid."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid("That is not JSON.") from error
    if not isinstance(value, dict):
        raise Invalid("That is not a JSON object.")
    return value


def words(kind, **fields):
    """Return the text of a message to a browser."""
    return json.dumps({"type": kind, **fields}, ensure_ascii=False)


def _text(value):
    """Return the value, which has to be text of whole characters. Raises Invalid."""
    if not isinstance(value, str):
        raise Invalid("That is not text.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Invalid("The text is damaged: it holds half a character.") from error
    return unicodedata.normalize("NFC", value)


def _is_shown(character):
    """Tell whether a character may be in a name: none that is invisible or turns the line around.

    The joiner stays: families of emoji and some scripts need it.
    """
    return character == "\u200d" or unicodedata.category(character) not in ("Cc", "Cf", "Co", "Cn")


def _matching(pattern, value, what):
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise Invalid(f"The {what} is malformed.")
    return value
