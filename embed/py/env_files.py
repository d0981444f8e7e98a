"""Files of KEY=VALUE lines, as they are known from dotenv, compose and systemd.

A value ends at the line's end or at " #"; blanks around it do not count. In single quotes everything stands for itself but
\\' and \\\\; in double quotes \\n, \\r, \\t, \\f, \\v, \\a, \\b, \\", \\', \\$ and \\\\ have their usual meaning and another backslash is
one. A quoted value may go over several lines. Nothing is expanded. "export " before a key is passed over.
"""

import re


class EnvFileError(Exception):
    """A line that cannot be read; the text is "line N: why"."""


_BLANK = re.compile(r"(?:[ \t]*(?:#[^\n]*)?(?:\n|\Z))*[ \t]*")
_KEY = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=[ \t]*")
_PLAIN = re.compile(r"(?:[^\n#]|(?<![ \t])#)*")
_QUOTED = {"'": re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL), '"': re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)}
_REST = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_ESCAPES = {
    "'": {"'": "'", "\\": "\\"},
    '"': {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "a": "\a", "b": "\b", '"': '"', "'": "'", "$": "$",
          "\\": "\\"},
}


def parse(text):
    """The dict of a file's text. Raises EnvFileError."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    values = {}
    at = _BLANK.match(text).end()
    while at < len(text):
        key = _KEY.match(text, at)
        if key is None:
            raise _error(text, at, "not KEY=VALUE")
        value, end = _value(text, key.end())
        if "\0" in value:
            raise _error(text, at, f"a NUL in the value of {key[1]}")
        values[key[1]] = value
        at = _BLANK.match(text, end).end()
    return values


def _value(text, at):
    """The value that starts there, and where the next line does."""
    quote = text[at:at + 1]
    if quote not in _QUOTED:
        plain = _PLAIN.match(text, at)
        return plain[0].strip(" \t"), _REST.match(text, plain.end()).end()
    quoted = _QUOTED[quote].match(text, at)
    if quoted is None:
        raise _error(text, at, f"the quote {quote} has no end")
    rest = _REST.match(text, quoted.end())
    if rest is None:
        raise _error(text, quoted.end(), "more text behind the closing quote")
    escapes = _ESCAPES[quote]
    return re.sub(r"\\(.)", lambda match: escapes.get(match[1], match[0]), quoted[1], flags=re.DOTALL), rest.end()


def _error(text, at, why):
    return EnvFileError(f"line {text.count(chr(10), 0, at) + 1}: {why}")
