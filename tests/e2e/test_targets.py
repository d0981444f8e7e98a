"""What is served: the forms of a target, what is found in a folder, factories, the environment from files, the path prefix."""

import json
import os
import re
import socket
import zipfile

import pytest
from test_mistakes import check

SAYS = '''
def says(text):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [text.encode()]
    return app
'''
# What these frameworks are to a server: something that is found, and is WSGI.
FLASK = SAYS + '''
class Flask:
    def __init__(self, name):
        self.wsgi_app = says(name)

    def __call__(self, environ, start_response):
        return self.wsgi_app(environ, start_response)
'''
DJANGO = SAYS + '''
import os

def get_wsgi_application():
    return says(os.environ["DJANGO_SETTINGS_MODULE"])
'''
MANAGE = '''
import os, sys

def main():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
'''
APP = "def app(e, s): pass\n"
FACTORY = "def create_app(name='x'):\n    return lambda e, s: []\n"

FOUND = [
    ({"app.py": APP}, "app:app"),
    ({"wsgi.py": "def application(e, s): pass", "app.py": "x = 1"}, "wsgi:application"),
    ({"app.py": "import flask\nserver = flask.Flask(__name__)"}, "app:server"),
    ({"wsgi.py": "from flask import Flask as F\nsite: F = F('x')\n_private = F('y')", "app.py": FACTORY}, "wsgi:site"),
    ({"app.py": "import flask as f\nsite = other = f.Flask('x')\napp = site"}, "app:app"),
    ({"app.py": FACTORY}, "app:create_app()"),
    ({"app.py": FACTORY, "wsgi.py": "from app import create_app\napp = create_app()"}, "wsgi:app"),
    ({"app.py": "def create_app(config): pass\ndef make_app(*a, k=1, **b): return lambda e, s: []"}, "app:make_app()"),
    ({"flaskr/__init__.py": FACTORY, "flaskr/db.py": "", "tests/__init__.py": ""}, "flaskr:create_app()"),
    ({"shop/__init__.py": "", "shop/wsgi.py": APP, "tests/__init__.py": ""}, "shop.wsgi:app"),
    ({"app/__init__.py": "", "app/main.py": APP}, "app.main:app"),
    ({"manage.py": MANAGE, "shop/__init__.py": "", "shop/settings.py": "", "shop/wsgi.py": "application = print",
      "cart/__init__.py": "", "cart/app.py": APP}, "shop.wsgi:application"),
    ({"manage.py": MANAGE.replace("shop.settings", "shop.settings.live"), "shop/settings/live.py": "",
      "shop/wsgi.py": "application = print"}, "shop.wsgi:application"),
    ({"manage.py": MANAGE, "shop/__init__.py": "", "shop/settings.py": ""}, "django.core.wsgi:get_wsgi_application()"),
    ({"manage.py": "import os\nos.environ['DJANGO_SETTINGS_MODULE'] = 'shop.settings'", "shop/settings.py": ""},
     "django.core.wsgi:get_wsgi_application()"),
    ({"pyproject.toml": "[tool.limpet]\napp = 'odd:name'", "odd.py": "name = print", "app.py": APP}, "odd:name"),
]
SEVERAL = [
    ({"app.py": "from flask import Flask\none = Flask('1')\ntwo = Flask('2')"}, "app:one, app:two"),
    ({"a/__init__.py": "", "a/wsgi.py": APP, "b/__init__.py": APP}, "a.wsgi:app, b:app"),
    ({"manage.py": MANAGE + MANAGE.replace("shop", "kiosk"), "shop/wsgi.py": APP, "kiosk/wsgi.py": APP},
     "shop.wsgi:app, kiosk.wsgi:app"),
]


@pytest.fixture
def tree(tmp_path):
    """tree({name: text}) -> the folder with these files; frameworks are at hand when they are imported."""

    def make(files, name="tree"):
        root = tmp_path / name
        text = "".join(files.values())
        if "flask" in text:
            files = {**files, "flask.py": FLASK}
        if "django" in text or "DJANGO" in text:
            files = {**files, "django/__init__.py": "", "django/core/__init__.py": "", "django/core/wsgi.py": DJANGO}
        for relative, content in files.items():
            path = root / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return root

    return make


def packed_target(path):
    with zipfile.ZipFile(path) as archive:
        return archive.read("limpet/settings").decode().splitlines()[0].removeprefix("target = ")


# --- Discovery ---


@pytest.mark.parametrize("files, target", FOUND)
def test_found_alike_by_check_and_pack(tree, run, tmp_path, files, target):
    root = tree(files)
    done = run("check", root)
    assert (done.stdout, done.stderr) == (f"ok: wsgi {target}\n", "")
    done = run("pack", root, "-o", tmp_path / "packed")
    assert done.returncode == 0, done.stderr
    assert packed_target(tmp_path / "packed") == target
    (tmp_path / "elsewhere").mkdir()
    done = run("check", binary=tmp_path / "packed", cwd=tmp_path / "elsewhere")
    assert (done.stdout, done.stderr) == (f"ok: wsgi {target}\n", "")


@pytest.mark.parametrize("files, listed", SEVERAL)
def test_several_are_listed(tree, run, tmp_path, files, listed):
    root = tree(files)
    why = f"{root}: several applications found, none with a better claim: {listed}; say where it is: "
    check(run("check", root), 1, f"^limpet: {why}MODULE:ATTR with --working-dir {root}$")
    check(run("pack", root, "-o", tmp_path / "packed"), 1, f"{why}--app MODULE:ATTR$")


@pytest.mark.parametrize("files, why", [
    ({"app.py": "def broken(:"}, r"create_app or make_app \(app.py cannot be parsed\); say"),
    ({"pyproject.toml": "[tool.limpet]\napp = 3"}, r"pyproject.toml: app = 3 is no text"),
    ({"pyproject.toml": "[tool"}, r"pyproject.toml: not valid TOML"),
    ({"manage.py": "import os\nos.environ.setdefault('OTHER', 'x')"}, "no application found"),
])
def test_not_found(tree, run, files, why):
    check(run("serve", tree(files), "--port", 0), 1, why)


@pytest.mark.unvalidated(reason="reads the target's name in the log")
def test_what_was_found_is_said(tree, serve):
    server = serve(tree({"app.py": "from flask import Flask\nserver = Flask('the site')"}))
    assert "serving app:server (wsgi) on" in server.log
    assert server.get().read() == b"the site"
    root = tree({"manage.py": MANAGE, "shop/settings.py": ""}, "django_site")
    server = serve(root)
    assert "serving django.core.wsgi:get_wsgi_application() (wsgi) on" in server.log
    assert server.get().read() == b"shop.settings"
    server = serve(root, environment={**os.environ, "DJANGO_SETTINGS_MODULE": "other.settings"})
    assert server.get().read() == b"other.settings"


def test_forms_of_a_target(tree, run, tmp_path):
    root = tree({"hello.py": SAYS + "site = says('x')\ndef create_app(): return site", "one.py":
                 "from flask import Flask\nsolo = Flask('y')"})
    for target, name in [("hello:site", "hello:site"), ("hello", "hello:create_app()"), ("one", "one:solo"),
                         ("hello.py:site", "hello:site"), ("./one.py", "one:solo"), (f"{root}/hello.py", "hello:create_app()"),
                         ("./:hello:site", "hello:site"), ("hello:create_app()", "hello:create_app()")]:
        done = run("check", target, cwd=root)
        assert (done.stdout, done.stderr) == (f"ok: wsgi {name}\n", ""), target
    assert run("pack", "one.py", "-o", tmp_path / "one", cwd=root).returncode == 0
    assert packed_target(tmp_path / "one") == "one:solo"
    assert run("pack", "hello.py:site", "-o", tmp_path / "two", cwd=root).returncode == 0
    assert packed_target(tmp_path / "two") == "hello:site"
    assert run("check", binary=tmp_path / "two").stdout == "ok: wsgi hello:site\n"
    check(run("pack", "hello.py:site", "-o", tmp_path / "two", "--app", "hello:create_app", cwd=root), 1,
          "hello.py:site: says what to serve, and so does --app hello:create_app")


def test_module_with_several(tree, run):
    root = tree({"two.py": "from flask import Flask\na = Flask(''); b = Flask('')"})
    check(run("check", "two", cwd=root), 1,
          "two: several applications found, none with a better claim: a, b; give the name as two:NAME")
    assert run("check", "two:b", cwd=root).stdout == "ok: wsgi two:b\n"


@pytest.mark.unsanitized(reason="packing is Python")
def test_django_packed(tree, packed, debian_packages, serve):
    """A project as Django's startproject makes it, without its wsgi.py, by the application of its settings."""
    root = tree({"manage.py": MANAGE, "shop/__init__.py": "", "shop/settings.py":
                 "SECRET_KEY = 'x'\nROOT_URLCONF = 'shop.urls'\nALLOWED_HOSTS = ['*']",
                 "shop/urls.py": "from django.http import HttpResponse\nfrom django.urls import path\n"
                                 "urlpatterns = [path('', lambda request: HttpResponse('by Django'))]"})
    for name in ("django/core/wsgi.py", "django/core/__init__.py", "django/__init__.py"):
        (root / name).unlink()
    (root / "django/core").rmdir()
    (root / "django").rmdir()
    packages = debian_packages("python3-django", "python3-asgiref", "python3-sqlparse")
    server = serve(binary=packed(root, "--with", packages))
    assert server.get().read() == b"by Django"


# --- Factories ---

MAKERS = SAYS + '''
made = []

def create_app():
    made.append(1)
    return says(f"made {len(made)}")

def with_config(config):
    return says(config)

async def later():
    return says("later")

def promised():
    return later()

def nothing():
    pass

def broken():
    return 1 / 0

class Maker:
    def __new__(cls):
        return says("by a class")

app = says("not made")
'''


@pytest.mark.unvalidated(reason="reads the target's name in the log")
@pytest.mark.parametrize("target, arguments, name, body", [
    ("makers:create_app", ["--factory"], "makers:create_app()", b"made 1"),
    ("makers", ["--factory"], "makers:create_app()", b"made 1"),
    ("makers:create_app()", ["--factory", "--no-factory"], "makers:create_app()", b"made 1"),
    ("makers:Maker", ["--factory"], "makers:Maker()", b"by a class"),
    ("makers", [], "makers:app", b"not made"),
])
def test_factory(tree, serve, target, arguments, name, body):
    server = serve(target, *arguments, "--workers", 1, folder=tree({"makers.py": MAKERS}))
    assert f"serving {name} (wsgi)" in server.log
    assert [server.get().read() for _ in range(2)] == [body, body]  # made once, not for each request


@pytest.mark.parametrize("target, options, why", [
    ("makers:create_app", [], "makers:create_app takes no arguments; if it makes the application, give --factory"),
    ("makers:with_config", [], "makers:with_config cannot be called with the two arguments of WSGI"),
    ("makers:with_config", ["--factory"], "makers:with_config cannot be called without arguments, as a factory is"),
    ("makers:later", ["--factory"], "makers:later is an asynchronous function; a factory must return the application at"),
    ("makers:promised", ["--factory"], r"makers:promised\(\) is asynchronous; a factory must return the application at"),
    ("makers:nothing", ["--factory"], r"makers:nothing\(\) is None, which cannot be called"),
    ("makers:made", ["--factory"], "makers:made is a list, which cannot be called; --factory wants what makes"),
    ("os", ["--factory"], "module 'os' has neither 'create_app' nor 'make_app'"),
])
def test_bad_factory(tree, run, target, options, why):
    check(run("serve", target, "--port", 0, *options, cwd=tree({"makers.py": MAKERS})), 1, why)


def test_factory_that_raises(tree, run):
    done = run("serve", "makers:broken", "--factory", "--port", 0, cwd=tree({"makers.py": MAKERS}))
    assert done.returncode == 1 and "return 1 / 0" in done.stderr and "<frozen limpet" not in done.stderr


def test_factory_in_a_folder_and_packed(tree, run, serve, tmp_path):
    root = tree({"app.py": MAKERS})
    assert run("check", root).stdout == "ok: wsgi app:app\n"
    assert run("check", root, "--factory").stdout == "ok: wsgi app:create_app()\n"
    (root / "pyproject.toml").write_text("[tool.limpet]\napp = 'app:create_app'\nfactory = true\n")
    assert run("check", root).stdout == "ok: wsgi app:create_app()\n"
    assert run("pack", root, "-o", tmp_path / "packed").returncode == 0
    assert serve(binary=tmp_path / "packed").get().read() == b"made 1"
    (root / "pyproject.toml").unlink()
    assert run("pack", root, "-o", tmp_path / "again", "--factory").returncode == 0
    assert packed_target(tmp_path / "again") == "app:create_app()"
    assert serve(binary=tmp_path / "again").get().read() == b"made 1"


# --- The environment from files ---

SHOWS = '''
import json, os, time
at_import = dict(os.environ)

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({**at_import, "zone": time.tzname[0]}).encode()]
'''
LINES = r'''# a comment
PLAIN=one two  # said so
export EXPORTED = yes
	INDENTED=1
EMPTY=
SINGLE='a "b" \n $HOME \'c\''
DOUBLE="tab\there \"quoted\" \q \$5 #1" # comment
COLOUR=#fff
HASH=a#b
LINES="first
second"
URL=postgres://u:p@h/db?a=b
DOTTED.key-1=ok
GIVEN=by the file
TZ=XYZ-3
'''


def test_environment_from_files(tree, serve, tmp_path):
    root = tree({"app.py": SHOWS})
    (tmp_path / "first.env").write_bytes(b"\xef\xbb\xbfBOM=1\r\nTWICE=first\r\nRAW=\xff\xfe\r\n")
    (tmp_path / "second.env").write_text(LINES + "TWICE=second")
    outside = {key: value for key, value in os.environ.items() if key != "TZ"}
    server = serve("app:app", "--env-files", "first.env", "--env-files", tmp_path / "second.env", "--working-dir", root,
                   folder=tmp_path, environment={**outside, "GIVEN": "from outside"})
    shown = json.loads(server.get().read())
    expected = {
        "PLAIN": "one two", "EXPORTED": "yes", "INDENTED": "1", "EMPTY": "", "SINGLE": "a \"b\" \\n $HOME 'c'",
        "DOUBLE": 'tab\there "quoted" \\q $5 #1', "COLOUR": "#fff", "HASH": "a#b", "LINES": "first\nsecond",
        "URL": "postgres://u:p@h/db?a=b", "DOTTED.key-1": "ok", "GIVEN": "from outside", "BOM": "1", "TWICE": "second",
        "RAW": "\udcff\udcfe", "TZ": "XYZ-3", "zone": "XYZ",
    }
    assert {key: shown.get(key) for key in expected} == expected


@pytest.mark.parametrize("text, why", [
    ("A=1\n\n# x\nB C=2", "line 4: not KEY=VALUE"), ("1A=2", "line 1: not KEY=VALUE"), ("A", "line 1: not KEY=VALUE"),
    ("A=1\nB='x\n\nC=1\n", "line 2: the quote ' has no end"), ('A="x\ny" z', "line 2: more text behind the closing quote"),
    ("A=a\0b", "line 1: a NUL in the value of A"), ("=x", "line 1: not KEY=VALUE"),
])
def test_bad_line_is_named(run, tmp_path, text, why):
    (tmp_path / "bad.env").write_text(text)
    check(run("serve", "app", "--env-files", "bad.env", "--port", 0, cwd=tmp_path), 1, f"^limpet: --env-files bad.env: {why}$")


def test_environment_file_that_is_not_there(run, tmp_path):
    for command in ("serve", "check"):
        check(run(command, "app", "--env-files", "none.env", cwd=tmp_path), 1,
              "^limpet: --env-files none.env: No such file or directory$")
    check(run("check", "app", "--env-files", tmp_path), 1, f"--env-files {tmp_path}: Is a directory")


def test_environment_files_in_toml_and_packed(tree, run, serve, tmp_path):
    root = tree({"app.py": SHOWS})
    (tmp_path / "a.env").write_text("A=1")
    (tmp_path / "b.env").write_text("A=2\nB=2")
    (tmp_path / "limpet.toml").write_text('env-files = ["a.env", "b.env"]')
    server = serve(root, "--config", "limpet.toml", folder=tmp_path)
    assert b'"A": "2"' in server.get().read()
    assert run("pack", root, "-o", tmp_path / "packed", "--env-files", "b.env", "--env-files", "a.env").returncode == 0
    server = serve(binary=tmp_path / "packed", folder=tmp_path)
    shown = server.get().read()
    assert b'"A": "1"' in shown and b'"B": "2"' in shown


# --- The path prefix ---

PATHS = '''
def app(environ, start_response):
    body = f"{environ['SCRIPT_NAME']}|{environ['PATH_INFO']}|{environ['REQUEST_URI']}".encode("latin-1")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
'''


@pytest.fixture
def ask_below(tree, serve):
    """ask_below(prefix) -> a function from a request target to (status, body)."""
    folder = tree({"app.py": PATHS})

    def start(prefix):
        server = serve("app:app", "--workers", 1, "--url-path-prefix", prefix, "--working-dir", folder)

        def ask(target):
            with socket.create_connection(("127.0.0.1", server.port), timeout=30) as peer:
                peer.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % target.encode())
                head, _, body = b"".join(iter(lambda: peer.recv(65536), b"")).partition(b"\r\n\r\n")
            return int(head.split()[1]), body.decode()

        return ask

    return start


def test_path_prefix(ask_below):
    ask = ask_below("/shop/a")
    for target, rest in [("/shop/a", ""), ("/shop/a/", "/"), ("/shop/a/x/y", "/x/y"), ("/shop/a?q=/", ""),
                         ("/%73hop/a/%41", "/A"), ("/shop%2Fa%2Fb", "/b"), ("http://x/shop/a/x", "/x")]:
        assert ask(target) == (200, f"/shop/a|{rest}|{target}")
    for target in ["/", "/shop", "/shop/", "/shop/ab", "/shop/a%20", "/x/shop/a", "/SHOP/a", "//shop/a", "http://x", "/sh"]:
        assert ask(target)[0] == 404, target


def test_path_prefix_beyond_ascii(ask_below):
    ask = ask_below("/caf\u00e9")
    assert ask("/caf%C3%A9/x") == (200, "/caf\u00e9|/x|/caf%C3%A9/x")
    assert ask("/caf%E9/x")[0] == 404


@pytest.mark.parametrize("prefix, why", [
    ("shop", 'must begin with "/"'), ("/shop/", 'must not end with "/"'), ("/", 'must not end with "/"'),
    ("/a//b", "must not have an empty part"), ("/a?b", "must be a plain path, without"), ("/a%20b", "must be a plain path"),
])
def test_bad_path_prefix(run, prefix, why):
    check(run("serve", "app", "--url-path-prefix", prefix), 2, f"--url-path-prefix {re.escape(prefix)}: {why}")


def test_path_prefix_can_be_undone(run):
    done = run("serve", "app", "--url-path-prefix", "", "--print-config", env={"LIMPET_URL_PATH_PREFIX": "/shop"})
    assert done.returncode == 0, done.stderr
    assert "url-path-prefix = /shop" not in done.stdout
