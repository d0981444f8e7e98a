"""Settings from TOML as the lines that limpet's C half reads."""

import tomllib


class SettingsError(Exception):
    """A settings file that cannot be used; the text says where and why."""


def read(file, table):
    """Read a table of a TOML file.

    file: a path. table: its dotted name, "" for the top level; a missing table is empty.
    Returns "key = value" lines; a list becomes one line for each of its values.
    Raises OSError, SettingsError.
    """
    with open(file, "rb") as stream:
        try:
            values = tomllib.load(stream)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"not valid TOML: {error}") from None
    for name in filter(None, table.split(".")):
        values = values.get(name, {})
        if not isinstance(values, dict):
            raise SettingsError(f"[{table}] is not a table")
    return "".join(_lines(key, value) for key, value in values.items())


def _lines(key, value):
    if isinstance(value, list):
        return "".join(_lines(key, item) for item in value)
    if isinstance(value, bool):
        value = "true" if value else "false"
    if not isinstance(value, (str, int, float)):
        raise SettingsError(f"{key}: a {type(value).__name__} is no setting; give text, a number or a list of these")
    text = str(value)
    if any(character in text for character in "\r\n\0") or any(character in key for character in "\r\n\0=# "):
        raise SettingsError(f"{key!r}: line breaks have no place in a setting")
    return f"{key} = {text}\n"
