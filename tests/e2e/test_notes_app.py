"""The notes application's pages, forms, protection and JSON, called in process.

Runs under pytest and under plain unittest, on Python 3.11 as well as on the one that limpet carries.
"""

import re
import sys
import unittest
from pathlib import Path
from unittest import mock
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).parent))

from notes_client import FORM, Case, Client  # noqa: E402

from notes import markup, pages, store  # noqa: E402
from notes.model import Draft  # noqa: E402


class Forms(Case):
    def test_create_read_edit(self):
        created = self.client.post("/notes", title="Tide", body="Low at **six**\r\nHigh at noon", colour="sea")
        self.assertEqual((created.status, created.header("Location")), (303, "/notes/1"))
        shown = self.client.get("/notes/1").text
        self.assertIn("<h1>Tide</h1>", shown)
        self.assertIn("<p>Low at <strong>six</strong><br>High at noon</p>", shown)
        self.assertIn("paper-sea", shown)
        form = self.client.get("/notes/1/edit").text
        self.assertIn("Low at **six**\nHigh at noon</textarea>", form)
        self.assertEqual(self.client.post("/notes/1", title="Tides", body="Both", revision="1").status, 303)
        self.assertEqual(self.store.get(1).draft, Draft("Tides", "Both"))

    def test_leading_newline_survives_editing(self):
        # A browser drops the first newline after <textarea>: the page has to have one to spare.
        self.note(body="\n\nthird line")
        self.assertRegex(self.client.get("/notes/1/edit").text, r"<textarea[^>]*>\n\n\nthird line</textarea>")

    def test_delete_undo_and_forget(self):
        self.note("Doomed")
        deleted = self.client.post("/notes/1/delete")
        self.assertEqual(deleted.header("Location"), "/?deleted=1")
        self.assertIn('action="/notes/1/restore"', self.client.get("/?deleted=1").text)
        self.assertEqual(self.client.get("/notes/1").status, 404)
        self.assertIn("Doomed", self.client.get("/deleted").text)
        self.assertEqual(self.client.post("/notes/1/restore").status, 303)
        self.assertEqual(self.client.get("/notes/1").status, 200)
        self.client.post("/notes/1/delete")
        self.client.post("/deleted/forget")
        self.assertEqual(self.client.post("/notes/1/restore").status, 404)

    def test_pinning_returns_to_the_page_of_the_button_and_nowhere_else(self):
        self.note()
        answer = self.client.post("/notes/1/pin", pinned="1", back="/?q=a")
        self.assertEqual((answer.header("Location"), self.store.get(1).pinned), ("/?q=a", True))
        for foreign in ("//evil.test/", "/\\evil.test", "https://evil.test/", "/a\r\nX: y", ""):
            answer = self.client.post("/notes/1/pin", pinned="0", back=foreign)
            self.assertEqual(answer.header("Location"), "/notes/1", foreign)
        self.assertFalse(self.store.get(1).pinned)

    def test_ticking_a_task(self):
        self.note(body="Intro\n- [ ] one\n- [x] two")
        self.assertIn('name="line" value="1" role="checkbox" aria-checked="false"', self.client.get("/notes/1").text)
        self.client.post("/notes/1/tick", line="1", revision="1")
        self.assertEqual(self.store.get(1).body, "Intro\n- [x] one\n- [x] two")
        stale = self.client.post("/notes/1/tick", line="2", revision="1")  # from a page that is out of date
        self.assertEqual(stale.status, 303)
        self.assertEqual(self.store.get(1).body, "Intro\n- [x] one\n- [x] two")
        for line in ("0", "-1", "99", "", "x"):
            self.assertEqual(self.client.post("/notes/1/tick", line=line, revision="2").status, 400, line)

    def test_an_edit_from_an_old_page_shows_both_versions_and_loses_none(self):
        self.note("Mine", "first")
        self.store.replace(1, Draft("Theirs", "second"))
        answer = self.client.post("/notes/1", title="Mine", body="third", revision="1")
        self.assertEqual(answer.status, 409)
        for text in ("second</pre>", "third</textarea>", 'name="revision" value="2"'):
            self.assertIn(text, answer.text)
        self.assertEqual(self.store.get(1).body, "second")
        self.assertEqual(self.client.post("/notes/1", title="Mine", body="third", revision="2").status, 303)

    def test_what_was_written_survives_a_refusal(self):
        for fields, reason in (
            ({"title": "x" * 201, "body": "precious"}, "201 characters"),
            ({"body": "y" * 100_001, "title": "precious"}, "100,001 characters"),
            ({"title": "precious", "colour": "mud"}, "no such colour"),
        ):
            answer = self.client.post("/notes", **fields)
            self.assertEqual(answer.status, 400)
            self.assertIn(reason, answer.text)
            self.assertIn("precious", answer.text)
        self.assertIn("needs a title", self.client.post("/notes", title=" ", body="\n").text)
        self.assertEqual(self.store.count(), 0)

    def test_what_was_written_survives_a_database_that_fails(self):
        with mock.patch.object(self.store, "create", side_effect=store.StoreError("disk is full")):
            answer = self.client.post("/notes", title="T", body="precious")
        self.assertEqual(answer.status, 503)
        self.assertIn("precious</textarea>", answer.text)
        self.assertIn("notes: disk is full\n", self.client.log.getvalue())

    def test_many_notes_come_in_pages(self):
        for number in range(pages.PAGE_SIZE + 1):
            self.note(f"Number {number}")
        first, second = self.client.get("/").text, self.client.get("/?page=2").text
        self.assertEqual(first.count("<article"), pages.PAGE_SIZE)
        self.assertIn('href="/?page=2">Older notes', first)
        self.assertEqual(second.count("<article"), 1)
        self.assertNotIn("Older notes", second)
        self.assertIn('href="/?q=number&amp;page=2">Older', self.client.get("/?q=number").text)

    def test_empty_states(self):
        self.assertIn("Nothing here yet", self.client.get("/").text)
        self.assertIn("No deleted notes", self.client.get("/deleted").text)
        self.assertIn("No notes", self.client.get("/?q=nothing").text)


class Protection(Case):
    HOSTILE = '"><script>alert(1)</script>\'&$title'

    def test_text_is_escaped_everywhere(self):
        self.note(self.HOSTILE, self.HOSTILE + "\n- [ ] " + self.HOSTILE + "\n```\n" + self.HOSTILE)
        self.note("", self.HOSTILE)
        self.store.delete(2)
        query = urlencode({"q": "script alert"})
        hostile = urlencode({"q": self.HOSTILE})
        for address in ("/", "/notes/1", "/notes/1/edit", "/deleted", f"/?{query}", f"/?{hostile}"):
            text = self.client.get(address).text
            self.assertNotIn("<script>", text, address)
            self.assertIn("script", re.sub(r"<script src=[^>]*></script>", "", text), address)
            self.assertNotIn('"">', text)

    def test_links_are_http_only(self):
        text = markup.render("[x](javascript:alert(1)) javascript:alert(1) data:text/html,x [y](//evil.test)")
        self.assertNotIn("href", text)
        self.assertIn('href="https://a.test/?b=1&amp;c=&quot;', markup.render('[x](https://a.test/?b=1&c=")'))

    def test_forms_need_the_token(self):
        good = self.client.cookie.partition("=")[2]
        for token in ("", "x" * 32, good[:-1], "é" * 32):
            self.assertEqual(self.client.post("/notes", title="T", token=token).status, 403, token)
        self.client.cookie = "notes_token="
        self.assertEqual(self.client.post("/notes", title="T").status, 403)
        self.assertEqual(self.store.count(), 0)

    def test_the_cookie_is_set_once_and_kept_from_scripts(self):
        fresh = Client(self.client.site)
        cookie = fresh.get("/new").header("Set-Cookie")
        self.assertRegex(cookie, r"^notes_token=[\w-]{32}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax$")
        self.assertIsNone(fresh.get("/new").header("Set-Cookie"))
        secure = Client(self.client.site).get("/new", **{"wsgi.url_scheme": "https"})
        self.assertTrue(secure.header("Set-Cookie").endswith("; Secure"))

    def test_foreign_pages_are_refused(self):
        body = urlencode({"token": self.client.cookie.partition("=")[2], "title": "T"}).encode()
        for headers, status in (
            ({"HTTP_ORIGIN": "https://evil.test"}, 403),
            ({"HTTP_ORIGIN": "null"}, 403),
            ({"HTTP_ORIGIN": "http://notes.test.evil.test"}, 403),
            ({"HTTP_SEC_FETCH_SITE": "cross-site"}, 403),
            ({"HTTP_SEC_FETCH_SITE": "same-site"}, 403),
            ({"HTTP_ORIGIN": "http://notes.test"}, 303),
            ({"HTTP_SEC_FETCH_SITE": "same-origin", "HTTP_ORIGIN": "http://notes.test"}, 303),
        ):
            self.assertEqual(self.client.call("POST", "/notes", body, FORM, **headers).status, status, headers)
        note = self.client.send("DELETE", "/api/notes/1", None, HTTP_SEC_FETCH_SITE="cross-site")
        self.assertEqual((note.status, self.store.get(1).title), (403, "T"))

    def test_every_answer_carries_the_headers_and_its_length(self):
        self.note()
        addresses = "/ /new /notes/1 /notes/9 /nowhere /api/notes /api/notes/9 /static/style.css /deleted".split()
        for address in addresses:
            answer, head = self.client.get(address), self.client.call("HEAD", address)
            policy = answer.header("Content-Security-Policy")
            self.assertIn("default-src 'none'", policy)
            self.assertNotIn("unsafe", policy)
            self.assertEqual(answer.header("X-Content-Type-Options"), "nosniff")
            self.assertEqual(answer.header("Referrer-Policy"), "same-origin")
            self.assertEqual(int(answer.header("Content-Length")), len(answer.text.encode()), address)
            self.assertEqual((head.status, head.text), (answer.status, ""))
            self.assertEqual(head.header("Content-Length"), answer.header("Content-Length"))

    def test_pages_keep_to_the_policy(self):
        self.note(body="text")
        for address in ("/", "/new", "/notes/1", "/nowhere", "/deleted"):
            self.assertNotRegex(self.client.get(address).text, r"style=|<style|\son\w+=|<script(?! src=)", address)


class Requests(Case):
    def test_unknown_addresses_and_methods(self):
        for address in ("/nowhere", "/notes/0", "/notes/01", "/notes/1/", "/notes/x", "/notes/" + "9" * 30, "/\xff"):
            self.assertEqual(self.client.get(address).status, 404, address)
        for method, address, allowed in (
            ("DELETE", "/notes/1", "GET, HEAD, POST"),
            ("POST", "/", "GET, HEAD"),
            ("PATCH", "/api/notes/1", "DELETE, GET, HEAD, PUT"),
            ("GET", "/notes", "POST"),
        ):
            answer = self.client.call(method, address)
            self.assertEqual((answer.status, answer.header("Allow")), (405, allowed), address)

    def test_bodies_that_are_too_long_broken_or_of_another_kind(self):
        post = self.client.call
        self.assertEqual(post("POST", "/notes", b"x" * (2 << 20) + b"x", FORM).status, 413)
        self.assertEqual(post("POST", "/notes", b"title=x", FORM, CONTENT_LENGTH="3000000").status, 413)
        self.assertEqual(post("POST", "/notes", b"title=x", FORM, CONTENT_LENGTH="99").status, 400)
        self.assertEqual(post("POST", "/api/notes", b"{}", "text/plain").status, 415)
        self.assertEqual(post("POST", "/notes", b"title=x", "multipart/form-data; boundary=x").status, 415)
        self.assertEqual(post("POST", "/notes", b"title=%ff", FORM).status, 400)
        self.assertEqual(post("POST", "/notes", "title=é".encode(), FORM).status, 400)
        self.assertEqual(post("POST", "/notes", b"&".join([b"a=b"] * 21), FORM).status, 400)
        self.assertEqual(self.client.get("/?q=%ff").status, 400)

    def test_a_body_of_unannounced_length(self):
        body = b'{"title": "streamed"}'
        more = {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}
        self.assertEqual(self.client.call("POST", "/api/notes", body, "application/json", **more).status, 201)
        body = b'"' + b"x" * (2 << 20) + b'"'
        self.assertEqual(self.client.call("POST", "/api/notes", body, "application/json", **more).status, 413)

    def test_static_files(self):
        page = self.client.get("/").text
        for address in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
            answer = self.client.get(address)
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.header("Cache-Control"), "public, max-age=31536000, immutable")
            tag = answer.header("ETag")
            for held in (tag, f'"other", W/{tag}', "*"):
                again = self.client.get(address, HTTP_IF_NONE_MATCH=held)
                self.assertEqual((again.status, again.text, again.header("ETag")), (304, "", tag))
            self.assertEqual(self.client.get(address, HTTP_IF_NONE_MATCH='"other"').status, 200)
        plain = self.client.get("/static/script.js")
        self.assertEqual(plain.header("Cache-Control"), "no-cache")
        self.assertEqual(plain.header("Content-Type"), "text/javascript; charset=utf-8")
        for name in ("../store.py", "none.css", "..", "%2e%2e/app.py"):
            self.assertEqual(self.client.get("/static/" + name).status, 404, name)

    def test_a_mistake_of_the_program_is_a_page_and_a_traceback(self):
        with mock.patch.object(self.store, "latest", side_effect=RuntimeError("boom")):
            answer = self.client.get("/")
        self.assertEqual(answer.status, 500)
        self.assertNotIn("boom", answer.text)
        self.assertIn("RuntimeError: boom", self.client.log.getvalue())


class Interface(Case):
    def test_the_life_of_a_note(self):
        sent = {"title": "T", "text": "ü\n🐚", "colour": "moss", "pinned": True}
        created = self.client.send("POST", "/api/notes", sent)
        self.assertEqual((created.status, created.header("Location")), (201, "/api/notes/1"))
        self.assertEqual(created.header("ETag"), '"1"')
        read = self.client.get("/api/notes/1")
        self.assertEqual(read.json, created.json)
        self.assertEqual(sent, {name: read.json[name] for name in sent})
        changed = self.client.send("PUT", "/api/notes/1", {"text": "new"}, HTTP_IF_MATCH='"1"')
        self.assertEqual((changed.status, changed.json["revision"], changed.json["title"]), (200, 2, ""))
        stale = self.client.send("PUT", "/api/notes/1", {"text": "newer"}, HTTP_IF_MATCH='"1"')
        self.assertEqual(stale.status, 412)
        gone = self.client.call("DELETE", "/api/notes/1")
        self.assertEqual((gone.status, gone.text, gone.header("Content-Type")), (204, "", None))
        for method, value in (("GET", None), ("DELETE", None), ("PUT", {"text": "x"})):
            self.assertEqual(self.client.send(method, "/api/notes/1", value).status, 404, method)

    def test_listing(self):
        self.note("One", "apple")
        self.note("Two", "pear")
        self.assertEqual([each["title"] for each in self.client.get("/api/notes").json["notes"]], ["Two", "One"])
        found = self.client.get("/api/notes?q=app").json
        self.assertEqual((found["total"], found["notes"][0]["excerpt"]), (1, "apple"))
        part = self.client.get("/api/notes?limit=1&offset=1").json
        self.assertEqual((part["total"], [each["id"] for each in part["notes"]]), (2, [1]))
        for query in ("limit=x", "limit=201", "limit=-1", "offset=" + "9" * 20, "limit=٣"):
            self.assertEqual(self.client.get("/api/notes?" + query).status, 400, query)

    def test_bad_input_is_named(self):
        for value, word in (
            ([], "object"),
            ({"titel": "x"}, "titel"),
            ({"title": 1}, "str"),
            ({"text": "x", "pinned": 1}, "bool"),
            ({}, "needs"),
            ({"title": "x", "colour": "mud"}, "colour"),
            ({"title": "\ud800"}, "damaged"),
        ):
            answer = self.client.send("POST", "/api/notes", value)
            self.assertEqual(answer.status, 400, value)
            self.assertIn(word, answer.json["error"])
        for body in (b"", b"{", b"\xff", b"[" * 100_000):
            answer = self.client.call("POST", "/api/notes", body, "application/json")
            self.assertEqual(answer.status, 400, body[:9])
        self.assertEqual(self.client.get("/api/nowhere").json["error"], "There is nothing at this address.")


if __name__ == "__main__":
    unittest.main()
