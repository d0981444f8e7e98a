"""Notes in SQLite: one connection for each thread, safe with any number of worker processes."""

import re
import sqlite3
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass

from .model import Note
from .schema import TooNew, migrate

BUSY_TIMEOUT_S = 5.0
EXCERPT_LENGTH = 400  # characters of the body in lists
DELETED_KEPT = 100  # the last deleted notes; by number, not by age, because the clock may be wrong
SEARCH_WORDS = 12  # of a query; more are ignored
MARK_START, MARK_END = "\x02", "\x03"  # around found words; no note holds these (model)

_COLUMNS = "id, title, body, colour, pinned, created_ms, updated_ms, deleted_ms, revision"
_EXCERPTS = _COLUMNS.replace("body", f"substr(body, 1, {EXCERPT_LENGTH})")


class StoreError(Exception):
    """The database cannot be used just now; str() says which file and why, for the log."""


class NoSuchNote(LookupError):
    """There is no note of that id, or it is deleted."""


class Conflict(Exception):
    """The note was changed since the caller read it."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found: a note, its title and a place in its text.

    Found words in title and snippet stand between MARK_START and MARK_END.
    """

    note: Note
    title: str
    snippet: str


class Store:
    """The notes of one database file. Every method may raise StoreError.

    path: of the file. It is made at the first use, not here, so that an application whose disk is
    not ready yet starts all the same and says what is wrong in its answers.
    """

    def __init__(self, path):
        self.path = path
        self._local = threading.local()

    # --- one note

    def create(self, draft):
        """Keep a new note and return it."""
        now = _now_ms()
        with self._writing() as connection:
            cursor = connection.execute(
                "INSERT INTO note (title, body, colour, pinned, created_ms, updated_ms)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (draft.title, draft.body, draft.colour, draft.pinned, now, now),
            )
            return _get(connection, cursor.lastrowid)

    def get(self, note_id):
        """Return the note. Raises NoSuchNote."""
        with self._reading() as connection:
            return _get(connection, note_id)

    def replace(self, note_id, draft, revision=None):
        """Put draft in the note's place and return the note.

        revision: the one the draft was made from, None to overwrite whatever is there.
        Raises NoSuchNote, and Conflict when the note has another revision and content by now.
        """
        with self._writing() as connection:
            note = _get(connection, note_id)
            if note.draft == draft:
                return note
            if revision not in (None, note.revision):
                raise Conflict
            connection.execute(
                "UPDATE note SET title = ?, body = ?, colour = ?, pinned = ?, updated_ms = ?,"
                " revision = revision + 1 WHERE id = ?",
                (draft.title, draft.body, draft.colour, draft.pinned, _now_ms(), note_id),
            )
            return _get(connection, note_id)

    def pin(self, note_id, pinned):
        """Pin the note (pinned true) or unpin it; it keeps its date. Raises NoSuchNote."""
        with self._writing() as connection:
            _get(connection, note_id)
            connection.execute(
                "UPDATE note SET pinned = ?, revision = revision + 1 WHERE id = ? AND pinned != ?",
                (pinned, note_id, pinned),
            )

    def delete(self, note_id):
        """Move the note to the deleted ones, and forget the oldest of these. Raises NoSuchNote."""
        with self._writing() as connection:
            _get(connection, note_id)
            connection.execute(
                "UPDATE note SET deleted_ms = ?, pinned = 0, revision = revision + 1 WHERE id = ?",
                (_now_ms(), note_id),
            )
            connection.execute(
                "DELETE FROM note WHERE id IN (SELECT id FROM note"
                " WHERE deleted_ms IS NOT NULL AND id != ?"
                " ORDER BY deleted_ms DESC, id DESC LIMIT -1 OFFSET ?)",
                (note_id, DELETED_KEPT - 1),
            )

    def restore(self, note_id):
        """Bring a deleted note back and return it. Raises NoSuchNote when it is gone for good."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE note SET deleted_ms = NULL, revision = revision + 1"
                " WHERE id = ? AND deleted_ms IS NOT NULL",
                (note_id,),
            )
            return _get(connection, note_id)

    # --- many notes

    def count(self):
        """Return how many notes there are, deleted ones left out."""
        with self._reading() as connection:
            rows = connection.execute("SELECT count(*) FROM note WHERE deleted_ms IS NULL")
            return rows.fetchone()[0]

    def latest(self, limit, offset=0):
        """Return up to limit notes as excerpts, pinned ones first, then the last changed first."""
        with self._reading() as connection:
            rows = connection.execute(
                f"SELECT {_EXCERPTS} FROM note WHERE deleted_ms IS NULL"
                " ORDER BY pinned DESC, updated_ms DESC, id DESC LIMIT ? OFFSET ?",
                (limit, offset),
            )
            return [_note(row) for row in rows]

    def search(self, query, limit, offset=0):
        """Return (up to limit Found, how many there are in all), the best first.

        query: what a person types. Every word has to occur, each may be the beginning of one; no
        query syntax.
        """
        match = match_expression(query)
        if not match:
            return [], 0
        with self._reading() as connection:
            total = connection.execute(
                "SELECT count(*) FROM note_words WHERE note_words MATCH ?", (match,)
            )
            columns = ", ".join(f"note.{name}" for name in _COLUMNS.split(", "))
            rows = connection.execute(
                f"SELECT {columns}, highlight(note_words, 0, ?2, ?3),"
                " snippet(note_words, 1, ?2, ?3, '…', 32) FROM note_words"
                " JOIN note ON note.id = note_words.rowid WHERE note_words MATCH ?1"
                " ORDER BY bm25(note_words, 4.0, 1.0), note.updated_ms DESC LIMIT ?4 OFFSET ?5",
                (match, MARK_START, MARK_END, limit, offset),
            )
            found = [Found(_note(row[:-2]), row[-2], row[-1]) for row in rows]
            return found, total.fetchone()[0]

    def tags(self, limit):
        """Return up to limit tags ("#garden") as (tag, number of notes), the most used first."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT term, doc FROM note_vocabulary"
                " WHERE term > '#' AND term < '$' AND term GLOB '#[^0-9#]*'"
                " ORDER BY doc DESC, term LIMIT ?",
                (limit,),
            )
            return rows.fetchall()

    def deleted(self):
        """Return the deleted notes that are still kept, as excerpts, the last deleted first."""
        with self._reading() as connection:
            rows = connection.execute(
                f"SELECT {_EXCERPTS} FROM note WHERE deleted_ms IS NOT NULL"
                " ORDER BY deleted_ms DESC, id DESC"
            )
            return [_note(row) for row in rows]

    def forget_deleted(self):
        """Remove the deleted notes for good."""
        with self._writing() as connection:
            connection.execute("DELETE FROM note WHERE deleted_ms IS NOT NULL")

    # --- the connection

    def close(self):
        """Close this thread's connection; the next use opens one again."""
        connection = vars(self._local).pop("connection", None)
        if connection:
            connection.close()

    @contextmanager
    def _reading(self):
        """Lend this thread's connection. Database errors come out as StoreError."""
        try:
            yield self._connection()
        except (sqlite3.Error, TooNew) as error:
            raise StoreError(f"database {self.path}: {error}") from error

    @contextmanager
    def _writing(self):
        """The same inside a transaction, committed at the end, rolled back after an exception."""
        with self._reading() as connection, connection:
            # IMMEDIATE waits for other writers here; a reader that turns writer could not wait.
            connection.execute("BEGIN IMMEDIATE")
            yield connection

    def _connection(self):
        """Return this thread's connection, opened at its first use: never before a server forks."""
        if not hasattr(self._local, "connection"):
            self._local.connection = _open(self.path)
        return self._local.connection


def match_expression(query):
    """Return the FTS5 expression for what a person typed, "" when there is no word in it."""
    words = re.findall(r'#?[^\W_][^\s"]*', query)[:SEARCH_WORDS]
    return " AND ".join(
        f'"{word}"*' if word.startswith("#") else f'("{word}"* OR "#{word}"*)' for word in words
    )


def _open(path):
    """Return a new connection to the database at path, made and migrated where need be."""
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    try:
        _use_write_ahead_log(connection)
        # With a write-ahead log a power cut costs the last changes at most; flash memory lasts.
        connection.execute("PRAGMA synchronous = NORMAL")
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _use_write_ahead_log(connection):
    """Put the database into that mode, which stays with it.

    SQLite does not always wait for others here: of two who change the mode at once it refuses one, to avoid a deadlock.
    """
    give_up = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.01)


def _get(connection, note_id):
    """Return the note of that id. Raises NoSuchNote when there is none or it is deleted."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM note WHERE id = ? AND deleted_ms IS NULL", (note_id,)
    ).fetchone()
    if row is None:
        raise NoSuchNote(note_id)
    return _note(row)


def _note(row):
    """Return the Note that a row of _COLUMNS holds."""
    return Note(*row[:4], bool(row[4]), *row[5:])


def _now_ms():
    """Return the time in milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000
