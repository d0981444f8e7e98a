"""Django REST framework's tutorial, packed, alone in an empty root: its JSON, its pages with forms, its permissions."""

import base64
import json
import pathlib
import re
import types

import pytest
from visitor import Visitor

pytestmark = pytest.mark.static

SNIPPETS = pathlib.Path(__file__).parent / "applications/snippets"
USERS = ("ada", "bob")
INTERFACES = {"wsgi": (), "asgi": ("--interface", "asgi")}


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def site(request, packed, debian_packages, alone):
    """The tutorial, served, with two users whose passwords are their names. root: where; packages: theirs; url."""
    django = debian_packages("python3-django", suite="trixie-backports")
    others = debian_packages("python3-djangorestframework", "python3-pygments", "python3-asgiref", "python3-sqlparse",
                             "python3-whitenoise")
    root = alone(packed(SNIPPETS, "--with", django, "--with", others, *INTERFACES[request.param], name="snippets"))
    root.run("python", "manage.py", "migrate")
    assert root.run("python", "manage.py", "makemigrations", "--check") == "No changes detected\n"
    for name in USERS:
        root.run("python", "manage.py", "createsuperuser", "--noinput", environment={
            "DJANGO_SUPERUSER_USERNAME": name, "DJANGO_SUPERUSER_EMAIL": f"{name}@example.com",
            "DJANGO_SUPERUSER_PASSWORD": name})
    server = root.serve("--workers", 2, "--writable", "/data")
    return types.SimpleNamespace(root=root, packages=others, url=server.url)


class Api:
    """A client that speaks JSON, as somebody or nobody."""

    def __init__(self, site, user=None):
        self._visitor = Visitor(site.url)
        self._headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if user:
            self._headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{user}".encode()).decode()

    def __call__(self, method, where, data=None, raw=None):
        """(status, what the JSON says). raw: a body as it is."""
        body = json.dumps(data).encode() if data is not None else raw
        page = self._visitor.request(method, where, body, self._headers)
        return page.status, json.loads(page.body) if page.body else None


@pytest.fixture
def ada(site):
    return Api(site, "ada")


def test_create_read_update_delete(site, ada):
    status, made = ada("POST", "/snippets/", {"code": "print('Ünïcødé')", "title": "first", "style": "monokai"})
    assert status == 201 and made["owner"] == "ada" and made["url"] == f"{site.url}/snippets/{made['id']}/"
    assert ada("GET", made["url"]) == (200, made)
    status, changed = ada("PUT", made["url"], {"code": "SELECT 1", "language": "sql"})
    assert (status, changed["language"]) == (200, "sql")
    status, changed = ada("PATCH", made["url"], {"linenos": True})
    assert (status, changed["code"], changed["linenos"]) == (200, "SELECT 1", True)
    assert ada("DELETE", made["url"]) == (204, None)
    assert ada("GET", made["url"])[0] == 404


def test_faults_are_told(ada):
    status, faults = ada("POST", "/snippets/", {"language": "limpet", "title": "x" * 101})
    assert status == 400 and set(faults) == {"code", "language", "title"}
    assert ada("PUT", "/snippets/", {})[0] == 405
    status, fault = ada("POST", "/snippets/", raw=b'{"code": ')
    assert status == 400 and "JSON parse error" in fault["detail"]


def test_permissions(site, ada):
    _, made = ada("POST", "/snippets/", {"code": "1"})
    assert Api(site)("GET", made["url"])[0] == 200
    assert Api(site)("POST", "/snippets/", {"code": "1"})[0] == 403
    assert Api(site, "bob")("PATCH", made["url"], {"code": "2"})[0] == 403
    assert Api(site, "nobody")("GET", "/snippets/")[0] == 403


def test_links_and_pages(site, ada):
    for number in range(12):
        ada("POST", "/snippets/", {"code": f"x = {number}"})
    status, first = ada("GET", "/snippets/")
    assert status == 200 and len(first["results"]) == 10 and first["previous"] is None
    assert first["next"] == f"{site.url}/snippets/?page=2"
    _, second = ada("GET", first["next"])
    assert second["previous"] == f"{site.url}/snippets/" and second["results"]
    _, users = ada("GET", "/users/")
    assert [user["username"] for user in users["results"]] == list(USERS)
    assert first["results"][0]["url"] in users["results"][0]["snippets"]
    assert ada("GET", "/") == (200, {"snippets": f"{site.url}/snippets/", "users": f"{site.url}/users/"})


@pytest.mark.parametrize("style, linenos", [("friendly", False), ("monokai", True)])
def test_pygments(site, ada, style, linenos):
    """Lexers, formatter and styles are modules that are loaded by their names."""
    _, made = ada("POST", "/snippets/", {"code": "def f(): return '<&>'", "style": style, "linenos": linenos})
    page = Visitor(site.url).get(made["highlight"])
    assert page.status == 200 and page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert '<span class="k">def</span>' in page.text and "&lt;&amp;&gt;" in page.text
    assert ('class="linenos"' in page.text) == linenos


def test_every_lexer_and_style_is_there(site, ada):
    _, options = ada("OPTIONS", "/snippets/")
    choices = {name: [choice["value"] for choice in options["actions"]["POST"][name]["choices"]]
               for name in ("language", "style")}
    out = site.root.run("python", "-c", "import json; from pygments import lexers, styles; print(json.dumps(["
                        "len([x for x in lexers.get_all_lexers() if x[1]]), len(list(styles.get_all_styles()))]))")
    assert [len(choices["language"]), len(choices["style"])] == json.loads(out) and len(choices["language"]) > 500
    for language in choices["language"][::25]:
        assert ada("POST", "/snippets/", {"code": "a = 1\n", "language": language})[0] == 201, language
    for style in choices["style"]:
        assert ada("POST", "/snippets/", {"code": "a = 1\n", "style": style})[0] == 201, style


def test_browsing(site):
    """The API as pages: logging in, a form sent, the answer shown, its style sheets and scripts."""
    visitor = Visitor(site.url)
    page = visitor.get("/snippets/")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8" and 'name="code"' not in page.text
    linked = re.findall(r'(?:href|src)="/static/([^"]+\.(?:css|js))"', page.text)
    files = {name: site.packages / "rest_framework/static" / name for name in linked}
    # jQuery and Bootstrap are in packages of their own.
    files = {name: path.read_bytes() for name, path in files.items() if path.exists()}
    assert {name: visitor.get(f"/static/{name}").body for name in files} == files and len(files) >= 4

    page = visitor.get("/api-auth/login/?next=/snippets/")
    page = visitor.send(page, page.form("username"), {"username": "ada", "password": "ada"})
    assert page.url == f"{site.url}/snippets/" and "ada" in page.text
    form = page.form("code")
    made = visitor.send(page, form, {"code": "print('from a page')", "title": "By <hand>", "language": "python"})
    assert made.status == 201 and "HTTP 201 Created" in made.text and "By &lt;hand&gt;" in made.text
    number = re.search(r"/snippets/(\d+)/highlight", made.text)[1]
    assert json.loads(visitor.get(f"/snippets/{number}.json").body)["title"] == "By <hand>"
    without = visitor.request("POST", "/snippets/", b"code=1", {"Content-Type": "application/x-www-form-urlencoded"})
    assert without.status == 403 and "CSRF" in without.text
