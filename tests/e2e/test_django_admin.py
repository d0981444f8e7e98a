"""A Django project with its admin, packed, alone in an empty root: migrations, sessions, forms, uploads, static files.

Django of trixie (4.2) cannot copy a template's context on Python 3.14, which the admin does: 5.2 of trixie's backports.
"""

import os
import pathlib
import re
import types
import urllib.parse

import pytest
from visitor import Visitor

pytestmark = pytest.mark.static

LIBRARY = pathlib.Path(__file__).parent / "applications/library"
PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def library(packed, debian_packages, alone):
    """The project, served, its tables made, with one user. root: where it is alone; server, url."""
    root = alone(packed(LIBRARY, "--with", debian_packages("python3-django", suite="trixie-backports"), "--with",
                        debian_packages("python3-asgiref", "python3-sqlparse", "python3-whitenoise"), name="library"))
    assert "Applying books.0001_initial... OK" in root.run("python", "manage.py", "migrate")
    root.run("python", "manage.py", "createsuperuser", "--noinput", environment={
        "DJANGO_SUPERUSER_USERNAME": "ada", "DJANGO_SUPERUSER_EMAIL": "ada@example.com",
        "DJANGO_SUPERUSER_PASSWORD": PASSWORD})
    server = root.serve("--writable", "/data")
    return types.SimpleNamespace(root=root, server=server, url=server.url)


def log_in(visitor, password=PASSWORD):
    page = visitor.get("/admin/")
    return visitor.send(page, page.form("username"), {"username": "ada", "password": password})


@pytest.fixture(scope="module")
def admin(library):
    """A visitor who has logged in."""
    visitor = Visitor(library.url)
    assert log_in(visitor).url == f"{library.url}/admin/"
    return visitor


def add(visitor, title, cover=None, **values):
    """Add a book by the admin's form: the list that answers."""
    page = visitor.get("/admin/books/book/add/")
    return visitor.send(page, page.form("title"), {"title": title, **values}, {"cover": cover} if cover else None,
                        button="_save")


def number_of(visitor, title):
    """A book's number, by searching for its title."""
    page = visitor.get("/admin/books/book/?" + urllib.parse.urlencode({"q": title}))
    found = re.findall(r'<a href="/admin/books/book/(\d+)/change/\?[^"]*">([^<]*)</a>', page.text)
    assert [text for _, text in found] == [title]
    return int(found[0][0])


def test_manage(library):
    assert "No migrations to apply." in library.root.run("python", "manage.py", "migrate")
    assert library.root.run("python", "manage.py", "makemigrations", "--check") == "No changes detected\n"
    library.root.run("python", "manage.py", "check", "--deploy", "--database", "default")
    out = library.root.run("python", "manage.py", "shell", "-c", "print(User.objects.get().password)")
    assert out.splitlines()[-1].startswith("pbkdf2_sha256$1000000$")


def test_log_in_and_out(library):
    visitor = Visitor(library.url)
    assert visitor.get("/admin/").url == f"{library.url}/admin/login/?next=/admin/"
    refused = log_in(visitor, "guessed")
    assert refused.status == 200 and "Please enter the correct username and password" in refused.text
    assert visitor.cookie("sessionid") is None
    page = log_in(visitor)
    assert "Site administration" in page.text and "ada" in page.text
    session = visitor.cookie("sessionid")
    form = page.form("csrfmiddlewaretoken")
    assert form.action == "/admin/logout/"
    assert "Logged out" in visitor.send(page, form).text
    assert visitor.get("/admin/").url.endswith("/admin/login/?next=/admin/")
    again = Visitor(library.url).get("/admin/", Cookie=f"sessionid={session}")
    assert "/admin/login/" in again.url, "a session that has ended was taken"


def test_forms_need_their_token(library):
    refused = Visitor(library.url).request("POST", "/admin/login/", b"username=ada&password=x")
    assert refused.status == 403 and "CSRF" in refused.text


def test_add_change_delete(library, admin):
    listed = add(admin, "Sea <Shells> & Ünïcødé", published="2026-02-03")
    assert listed.url == f"{library.url}/admin/books/book/" and "was added successfully" in listed.text
    assert "<li>Sea &lt;Shells&gt; &amp; Ünïcødé, 3. February 2026</li>" in admin.get("/").text
    number = re.search(r"/admin/books/book/(\d+)/change/", listed.text)[1]

    page = admin.get(f"/admin/books/book/{number}/change/")
    form = page.form("title")
    assert (form.fields["title"], form.fields["published"]) == ("Sea <Shells> & Ünïcødé", "2026-02-03")
    wrong = admin.send(page, form, {"published": "someday"}, button="_save")
    assert wrong.status == 200 and "Enter a valid date." in wrong.text
    changed = admin.send(page, form, {"title": "Limpets", "published": ""}, button="_continue")
    assert "was changed successfully" in changed.text and changed.form("title").fields["title"] == "Limpets"
    assert number_of(admin, "Limpets") == int(number)

    page = admin.get(f"/admin/books/book/{number}/delete/")
    assert "Are you sure" in page.text
    deleted = admin.send(page, page.form("post"))
    assert "was deleted successfully" in deleted.text
    assert admin.get(f"/admin/books/book/{number}/change/").url == f"{library.url}/admin/"
    assert "Limpets" not in admin.get("/").text


# Below --body-buffer; above it; and above what Django keeps in memory itself.
@pytest.mark.parametrize("size", [0, 1000, 300_000, 5_000_000])
def test_upload(library, admin, size):
    data = os.urandom(size)
    listed = add(admin, f"{size} bytes", ("a cover.bin", data))
    if size == 0:
        assert "The submitted file is empty." in listed.text
        return
    assert "was added successfully" in listed.text
    number = number_of(admin, f"{size} bytes")
    cover = admin.get(f"/books/{number}/cover")
    assert cover.body == data and cover.headers["Content-Length"] == str(size)
    assert data in [file.read_bytes() for file in (library.root.path / "data/covers").iterdir()]
    assert list((library.root.path / "tmp").iterdir()) == []


def test_static_files_of_the_admin(library):
    visitor = Visitor(library.url)
    page = visitor.get("/admin/login/")
    linked = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
    assert "/static/admin/css/base.css" in linked and len(linked) >= 5
    for path in linked:
        file = visitor.get(path)
        assert file.status == 200 and file.body, path
        kind = "text/css" if path.endswith(".css") else "text/javascript"
        assert file.headers["Content-Type"].startswith(kind), path
        assert file.headers["Content-Length"] == str(len(file.body))
        assert visitor.get(path, If_None_Match=file.headers["ETag"]).status == 304
        part = visitor.get(path, Range="bytes=10-19")
        assert (part.status, part.body) == (206, file.body[10:20])


def test_static_files_of_the_project(library):
    visitor = Visitor(library.url)
    assert '<link rel="stylesheet" href="/static/library.css">' in visitor.get("/").text
    assert visitor.get("/static/library.css").body == (LIBRARY / "assets/library.css").read_bytes()
    above = ("/static/../library/settings.py", "/static/%2e%2e/library/settings.py")
    for path in ("/static/", "/static/nothing.css", *above):
        assert visitor.get(path).status == 404


def test_collectstatic(library, debian_packages):
    out = library.root.run("python", "manage.py", "collectstatic", "--noinput")
    count = int(re.search(r"(\d+) static files copied to '/data/static'", out)[1])
    collected = library.root.path / "data/static"
    admins = debian_packages("python3-django", suite="trixie-backports") / "django/contrib/admin/static"
    expected = {path.relative_to(admins): path.read_bytes() for path in admins.rglob("*") if path.is_file()}
    expected[pathlib.Path("library.css")] = (LIBRARY / "assets/library.css").read_bytes()
    found = {path.relative_to(collected): path.read_bytes() for path in collected.rglob("*") if path.is_file()}
    assert found == expected and len(found) == count
    again = library.root.run("python", "manage.py", "collectstatic", "--noinput")
    assert f"0 static files copied to '/data/static', {count} unmodified" in again


@pytest.mark.parametrize("language, title, direction", [
    ("en", "Log in", "ltr"), ("de", "Anmelden", "ltr"), ("fr-CH, fr;q=0.9, en;q=0.8", "Connexion", "ltr"),
    ("ja", "ログイン", "ltr"), ("ar", "ادخل", "rtl"), ("tlh", "Log in", "ltr")])
def test_languages(library, language, title, direction):
    page = Visitor(library.url).get("/admin/login/", Accept_Language=language)
    assert f"<title>{title} |" in page.text and f'dir="{direction}"' in page.text


def test_an_error_is_in_the_log_and_not_on_the_page(library):
    page = Visitor(library.url).get("/broken")
    assert page.status == 500 and "Server Error (500)" in page.text and "shelf" not in page.text
    library.server.wait_for("RuntimeError: a shelf has fallen over")
    assert 'File "/library/app/books/views.py", line ' in library.server.log


def test_another_host_is_refused(library):
    assert Visitor(library.url).get("/", Host="elsewhere.example").status == 400
