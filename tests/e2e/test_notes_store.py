"""The notes application's database, search and text.

Runs under pytest and under plain unittest, on Python 3.11 as well as on the one that limpet carries.
"""

import sqlite3
import subprocess
import sys
import time
import unittest
from pathlib import Path
from unittest import mock
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).parent))

from notes_client import APP_FOLDER, Case, Client  # noqa: E402

from notes import markup, place, schema, store  # noqa: E402
from notes.model import Draft, Invalid, draft_of  # noqa: E402
from notes.site import Site  # noqa: E402


class Search(Case):
    def names(self, query):
        """Return the names of the notes that a search finds."""
        return [each.note.name for each in self.store.search(query, 50)[0]]

    def test_words_beginnings_tags_and_accents(self):
        self.note("Gateway", "In the boathouse #harbour")
        self.note("Crème brûlée", "eggs")
        for query in ("boat", "BOATHOUSE gate", "harb", "#harbour", "boathouse gateway"):
            self.assertEqual(self.names(query), ["Gateway"], query)
        self.assertEqual(self.names("creme BRULEE"), ["Crème brûlée"])
        for query in ("boat eggs", "house", "#boathouse"):
            self.assertEqual(self.names(query), [], query)

    def test_nothing_typed_is_an_error(self):
        self.note("Plain")
        odd = ('"', "*", "AND", "NOT plain", "(", "a OR", "title:plain", "-", "#", "^", "''", '"plain', "\0")
        for query in (*odd, "x" * 5000):
            self.assertEqual(self.client.get("/?" + urlencode({"q": query})).status, 200, query)
        self.assertEqual(self.names('"plain"'), ["Plain"])

    def test_the_index_follows_every_change(self):
        self.note("First", "alpha")
        self.store.replace(1, Draft("First", "beta"))
        self.assertEqual((self.names("alpha"), self.names("beta")), ([], ["First"]))
        self.store.delete(1)
        self.assertEqual(self.names("beta"), [])
        self.store.restore(1)
        self.assertEqual(self.names("beta"), ["First"])
        self.store.delete(1)
        self.store.forget_deleted()
        with sqlite3.connect(self.store.path) as connection:
            connection.execute("INSERT INTO note_words (note_words) VALUES ('integrity-check')")
        connection.close()

    def test_found_words_are_marked_and_escaped(self):
        self.note("A <b> title", "the word <i>here</i>")
        text = self.client.get("/?q=title+here").text
        self.assertIn("A &lt;b&gt; <mark>title</mark>", text)
        self.assertIn("&lt;i&gt;<mark>here</mark>&lt;/i&gt;", text)

    def test_tags_are_counted(self):
        self.note("", "#garden #boat # heading\n## Title\n#12 c#")
        self.note("", "#garden")
        self.assertEqual(self.store.tags(9), [("#garden", 2), ("#boat", 1)])
        self.store.delete(2)
        self.assertEqual(self.store.tags(1), [("#boat", 1)])
        self.assertIn('href="/?q=%23garden"', self.client.get("/").text)


class Database(Case):
    def test_order_is_pinned_then_last_changed(self):
        for title in "abc":
            self.note(title)
        self.store.pin(1, True)
        with mock.patch("time.time_ns", return_value=time.time_ns() + 10**9):
            self.store.replace(2, Draft("b2"))
        self.assertEqual([note.title for note in self.store.latest(9)], ["a", "b2", "c"])

    def test_saving_the_same_again_changes_nothing(self):
        note = self.note("Same")
        self.assertEqual(self.store.replace(1, note.draft, revision=99), note)

    def test_only_the_last_deleted_notes_are_kept(self):
        with mock.patch.object(store, "DELETED_KEPT", 2):
            for number in range(4):
                self.store.delete(self.note(str(number)).id)
        self.assertEqual([note.title for note in self.store.deleted()], ["3", "2"])

    def test_a_note_just_deleted_is_kept_even_when_the_clock_went_back(self):
        with mock.patch.object(store, "DELETED_KEPT", 1):
            self.store.delete(self.note("old").id)
            self.note("new")
            with mock.patch("time.time_ns", return_value=0):
                self.store.delete(2)
        self.assertEqual([note.title for note in self.store.deleted()], ["new"])

    def test_processes_may_start_and_write_together(self):
        # Each adds notes, and counts in one note as often; a count lost to another's would be
        # missed.
        code = (
            "import os, sys; sys.path.insert(0, sys.argv[2])\n"
            "from notes.store import Conflict, Store; from notes.model import Draft\n"
            "store, done = Store(sys.argv[1]), 0\n"
            "for number in range(25): store.create(Draft('0'))\n"
            "while done < 25:\n"
            "    note = store.get(1)\n"
            # Whoever saves what is there already is no conflict: each signs its own.
            "    draft = Draft(str(int(note.title) + 1), str(os.getpid()))\n"
            "    try: store.replace(1, draft, note.revision); done += 1\n"
            "    except Conflict: pass"
        )
        path = str(self.folder / "together.sqlite3")
        command = [sys.executable, "-c", code, path, str(APP_FOLDER)]
        running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
        for process in running:
            complaint = process.communicate(timeout=60)[1]
            self.assertEqual(process.returncode, 0, complaint)
        together = store.Store(path)
        self.addCleanup(together.close)
        self.assertEqual((together.count(), together.get(1).title), (100, "100"))

    def test_nobody_writes_between_reading_a_note_and_replacing_it(self):
        self.note("Before")
        other = store.Store(self.store.path)
        self.addCleanup(other.close)
        read, refused = store._get, []

        def read_and_interfere(connection, note_id):
            note = read(connection, note_id)
            with mock.patch.object(store, "_get", read):
                try:
                    other.pin(1, True)
                except store.StoreError as error:
                    refused.append(str(error))
            return note

        with mock.patch.object(store, "BUSY_TIMEOUT_S", 0.01):
            other.count()
        with mock.patch.object(store, "_get", read_and_interfere):
            self.store.replace(1, Draft("After"), revision=1)
        self.assertIn("database is locked", refused[0])

    def test_the_schema_is_made_once(self):
        self.note()
        self.store.close()
        self.assertEqual(self.store.get(1).title, "A title")
        with sqlite3.connect(self.store.path) as connection:
            self.assertEqual(connection.execute("PRAGMA user_version").fetchone()[0], len(schema.MIGRATIONS))
            self.assertEqual(connection.execute("PRAGMA journal_mode").fetchone()[0], "wal")
        connection.close()

    def test_a_migration_that_fails_leaves_the_database_as_it_was(self):
        self.note("Kept")
        self.store.close()
        broken = (*schema.MIGRATIONS, ("CREATE TABLE extra (a)", "CREATE NONSENSE"))
        with mock.patch.object(schema, "MIGRATIONS", broken), self.assertRaises(store.StoreError):
            self.store.count()
        good = (*schema.MIGRATIONS, ("CREATE TABLE extra (a)",))
        with mock.patch.object(schema, "MIGRATIONS", good):
            self.assertEqual(self.store.get(1).title, "Kept")

    def test_a_database_of_a_later_version_is_left_alone(self):
        self.note()
        self.store.close()
        with sqlite3.connect(self.store.path) as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()
        self.assertEqual(self.client.get("/").status, 503)
        self.assertIn("schema is version 99", self.client.log.getvalue())

    def test_a_database_that_cannot_be_opened_is_named_in_the_log(self):
        missing = self.folder / "missing" / "notes.sqlite3"
        damaged = self.folder / "damaged.sqlite3"
        damaged.write_bytes(b"not a database " * 100)
        for path in (missing, damaged, self.folder):
            client = Client(Site(store.Store(str(path))))
            page, document = client.get("/"), client.get("/api/notes")
            self.assertEqual((page.status, document.status), (503, 503))
            self.assertIn("NOTES_DATABASE", page.text)
            self.assertIn("NOTES_DATABASE", document.json["error"])
            self.assertIn(f"notes: database {path}: ", client.log.getvalue())
        missing.parent.mkdir()
        recovered = store.Store(str(missing))
        self.addCleanup(recovered.close)
        self.assertEqual(recovered.count(), 0)

    def test_where_it_lies(self):
        path = place.database_path
        self.assertEqual(path("/srv/shop/app.py", "/srv/shop", {}), "/srv/notes.sqlite3")
        self.assertEqual(path("/srv/shop/app/app.py", "/srv/shop", {}), "/srv/notes.sqlite3")
        self.assertEqual(path("/home/me/notes/app.py", "/usr/bin/python3", {}), "/home/me/notes.sqlite3")
        self.assertEqual(path("/srv/shopping/list/app.py", "/srv/shop", {}), "/srv/shopping/notes.sqlite3")
        self.assertEqual(path("/a/b/app.py", "", {"NOTES_DATABASE": "/data/x.db"}), "/data/x.db")
        self.assertEqual(path("/a/b/app.py", "", {"NOTES_DATABASE": ""}), "/a/notes.sqlite3")
        self.assertEqual(path("/a/b/app.py", "", {"STATE_DIRECTORY": "/var/lib/notes"}), "/var/lib/notes/notes.sqlite3")


class Text(unittest.TestCase):
    CASES = (
        ("", ""),
        ("one\ntwo\n\nthree", "<p>one<br>two</p><p>three</p>"),
        ("# Big\n### small\n#no", '<h2>Big</h2><h4>small</h4><p><a class="tag" href="/?q=%23no">#no</a></p>'),
        ("- a\n  - b\n  - c\n- d", "<ul><li>a<ul><li>b</li><li>c</li></ul></li><li>d</li></ul>"),
        ("    - a\n  - b\n- c", "<ul><li>a</li><li>b</li><li>c</li></ul>"),
        ("- a\n    - b\n  - c", "<ul><li>a<ul><li>b</li></ul><ul><li>c</li></ul></li></ul>"),
        ("1. a\n2) b", "<ol><li>a</li><li>b</li></ol>"),
        ("> q\n>r\nafter", "<blockquote><p>q<br>r</p></blockquote><p>after</p>"),
        ("a\n---\nb", "<p>a</p><hr><p>b</p>"),
        ("```py\n<a>\n\n# b\n```\nc", '<pre tabindex="0"><code>&lt;a&gt;\n\n# b</code></pre><p>c</p>'),
        ("```\nopen", '<pre tabindex="0"><code>open</code></pre>'),
        ("**b** *i* _j_ ~~s~~ `c*d*`", "<p><strong>b</strong> <em>i</em> <em>j</em> <s>s</s> <code>c*d*</code></p>"),
        ("2 * 3 * 4 snake_case_name __init__ ** x **", "<p>2 * 3 * 4 snake_case_name __init__ ** x **</p>"),
        ("a#b &#39; C# #1", "<p>a#b &amp;#39; C# #1</p>"),
        (
            "see https://a.test/b_c.",
            '<p>see <a href="https://a.test/b_c" rel="noopener noreferrer">https://a.test/b_c</a>.</p>',
        ),
    )

    def test_rendering(self):
        for text, expected in self.CASES:
            self.assertEqual(markup.render(text), expected, text)

    def test_time_is_proportional_to_the_text(self):
        for piece in (*"[`#", "**a", "*a ", "_a ", "~~a", "http://", "https://,", "[a](", "- ", "> ", "# a\n", "1. \n"):
            text = (piece * 100_000)[:100_000]
            start = time.process_time()
            markup.render(text)
            markup.plain(text)
            self.assertLess(time.process_time() - start, 3, piece)

    def test_lists_of_any_depth(self):
        text = "\n".join(" " * (2 * depth) + "- x" for depth in range(300))
        self.assertEqual(markup.render(text).count("<ul>"), 300)

    def test_previews(self):
        text = "# A\n\n- [x] b\n- [ ] *c*\n- **d**\n> e\n```\nf*g*h\n"
        self.assertEqual(markup.plain(text), "A\n☑ b\n☐ c\n• d\ne\nf*g*h")

    def test_drafts_are_tidied(self):
        self.assertEqual(draft_of(" a\n b ", "x\r\ny\rz\x00\x02 \n"), Draft("a b", "x\ny\nz"))
        self.assertEqual(len(draft_of("t" * 200, "b" * 100_000).body), 100_000)
        with self.assertRaises(Invalid):
            draft_of("\x00")


if __name__ == "__main__":
    unittest.main()
