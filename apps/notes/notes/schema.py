"""The tables, and how an older database becomes the present one."""

# Each entry is a list of statements that take the database from version N to N + 1 (PRAGMA
# user_version). Entries are history: add new ones, never change old ones.
MIGRATIONS = (
    (
        """
        CREATE TABLE note (
            id         INTEGER PRIMARY KEY AUTOINCREMENT,
            title      TEXT NOT NULL,
            body       TEXT NOT NULL,
            colour     TEXT NOT NULL DEFAULT 'plain',
            pinned     INTEGER NOT NULL DEFAULT 0,
            created_ms INTEGER NOT NULL,
            updated_ms INTEGER NOT NULL,
            deleted_ms INTEGER,
            revision   INTEGER NOT NULL DEFAULT 1
        )
        """,
        """
        CREATE INDEX note_order ON note (pinned DESC, updated_ms DESC, id DESC)
        WHERE deleted_ms IS NULL
        """,
        # '#' belongs to a word, so that a #tag is one; see Store.tags.
        """
        CREATE VIRTUAL TABLE note_words USING fts5 (
            title, body, content = 'note', content_rowid = 'id',
            tokenize = "unicode61 remove_diacritics 2 tokenchars '#'"
        )
        """,
        "CREATE VIRTUAL TABLE note_vocabulary USING fts5vocab (note_words, 'row')",
        # The words of a note are in the index while it is not deleted.
        """
        CREATE TRIGGER note_added AFTER INSERT ON note WHEN new.deleted_ms IS NULL BEGIN
            INSERT INTO note_words (rowid, title, body) VALUES (new.id, new.title, new.body);
        END
        """,
        """
        CREATE TRIGGER note_leaves AFTER UPDATE OF title, body, deleted_ms ON note
        WHEN old.deleted_ms IS NULL BEGIN
            INSERT INTO note_words (note_words, rowid, title, body)
                VALUES ('delete', old.id, old.title, old.body);
            INSERT INTO note_words (rowid, title, body)
                SELECT new.id, new.title, new.body WHERE new.deleted_ms IS NULL;
        END
        """,
        """
        CREATE TRIGGER note_returns AFTER UPDATE OF deleted_ms ON note
        WHEN old.deleted_ms IS NOT NULL AND new.deleted_ms IS NULL BEGIN
            INSERT INTO note_words (rowid, title, body) VALUES (new.id, new.title, new.body);
        END
        """,
        """
        CREATE TRIGGER note_removed AFTER DELETE ON note WHEN old.deleted_ms IS NULL BEGIN
            INSERT INTO note_words (note_words, rowid, title, body)
                VALUES ('delete', old.id, old.title, old.body);
        END
        """,
    ),
)


class TooNew(Exception):
    """The database was made by a later version of this program."""


def migrate(connection):
    """Bring the database up to date, or do nothing when it is.

    connection: in autocommit mode. Several processes may call this at once: one works, the others
    wait and find it done. Raises TooNew, and sqlite3.Error when the file cannot be written.
    """
    if _version(connection) == len(MIGRATIONS):
        return
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        version = _version(connection)
        if version > len(MIGRATIONS):
            raise TooNew(f"its schema is version {version}; this program knows {len(MIGRATIONS)}")
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _version(connection):
    """Return the database's schema version; 0 for a new one."""
    return connection.execute("PRAGMA user_version").fetchone()[0]
