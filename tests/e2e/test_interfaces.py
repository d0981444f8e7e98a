"""How an application is called, told by looking at it: a table of callables, and what the operator is told."""

import json

import pytest
from test_mistakes import check

CALLABLES = '''
import functools


class Answer:
    async def __call__(self, scope, receive, send): pass
    async def method(self, scope, receive, send): pass
    async def rsgi(self, scope, protocol): pass
    @classmethod
    async def of_class(cls, scope, receive, send): pass
    @staticmethod
    async def static(scope, receive, send): pass
    def plain(self, environ, start_response): pass


class Wsgi:
    def __call__(self, environ, start_response): pass


class WsgiPerRequest:
    def __init__(self, environ, start_response): pass
    def __iter__(self): return iter([])


class Asgi2:
    def __init__(self, scope): pass
    async def __call__(self, receive, send): pass


class Router2:
    def __call__(self, scope): pass


class Awaited:
    def __init__(self, scope, receive, send): pass
    def __await__(self): yield


class Awaited2:
    def __init__(self, scope, protocol): pass
    def __await__(self): yield


class Both:
    async def __call__(self, scope, receive, send): pass
    async def __rsgi__(self, scope, protocol): pass


async def asgi(scope, receive, send): pass
async def rsgi(scope, protocol): pass
async def any_arguments(*arguments, **named): pass
async def one(scope): pass
async def four(a, b, c, d): pass
async def generator(scope, receive, send): yield
async def optional(delay, result=None): pass
async def bound(first, scope, receive, send): pass
def wsgi(environ, start_response): pass
def any_wsgi(*arguments): pass
def coroutine(scope, receive, send): return asgi(scope, receive, send)
def asgi2(scope): return None
def request(environ): pass
def nothing(): pass
def three_needed(a, b, *, c): pass


@functools.wraps(asgi)
async def wrapped(*arguments, **named): pass
@functools.wraps(rsgi)
async def wrapped_rsgi(*arguments, **named): pass
@functools.wraps(asgi)
def plainly_wrapped(*arguments, **named): pass
@functools.wraps(rsgi)
def plainly_wrapped_rsgi(*arguments, **named): pass
@functools.wraps(request)
def wrapped_request(*arguments): pass


def framework(module, name, **methods):
    return type(name, (), {"__module__": module, "__qualname__": name, "__call__": lambda self, *arguments: None, **methods})()


objects = {
    "method": Answer().method, "method rsgi": Answer().rsgi, "class method": Answer.of_class, "static": Answer.static,
    "plain method": Answer().plain, "object": Answer(), "wsgi object": Wsgi(), "wsgi class": WsgiPerRequest,
    "asgi2 class": Asgi2, "asgi2 object": Router2(), "awaited class": Awaited, "awaited of two": Awaited2, "both": Both(),
    "partial": functools.partial(bound, 1), "partial object": functools.partial(Answer()),
    "partial twice": functools.partial(functools.partial(lambda a, b, e, s: None, 1), 2), "lambda": lambda e, s: [],
    "builtin": print, "type": dict,
    "django": framework("django.core.handlers.asgi", "ASGIHandler"), "starlette": framework("starlette.applications", "Starlette"),
    "sanic": framework("sanic.app", "Sanic"), "falcon": framework("falcon.asgi.app", "App"),
    "aiohttp": framework("aiohttp.web_app", "Application"), "tornado": framework("tornado.web", "Application"),
    **{name: value for name, value in globals().items() if callable(value)},
}
'''
# For each what is found, and what can be asked for: w, a (ASGI 3), 2 (ASGI 2), r. None: refused.
TABLE = {
    "asgi": ("asgi", "a"), "rsgi": ("rsgi", "r"), "any_arguments": (None, "ar"), "one": (None, ""), "four": (None, ""),
    "generator": (None, ""), "optional": (None, "r"), "wsgi": ("wsgi", "wr"), "any_wsgi": ("wsgi", "war"),
    "coroutine": ("asgi", "a"), "asgi2": ("asgi2", "2"), "request": (None, "2"), "nothing": (None, ""),
    "three_needed": (None, ""), "wrapped": ("asgi", "ar"), "wrapped_rsgi": ("rsgi", "ar"), "plainly_wrapped": ("asgi", "war"),
    "plainly_wrapped_rsgi": (None, "war"), "wrapped_request": ("wsgi", "war"),
    "method": ("asgi", "a"), "method rsgi": ("rsgi", "r"), "class method": ("asgi", "a"), "static": ("asgi", "a"),
    "plain method": ("wsgi", "wr"), "object": ("asgi", "a"), "wsgi object": ("wsgi", "wr"), "wsgi class": ("wsgi", "w"),
    "asgi2 class": ("asgi2", "2"), "asgi2 object": ("asgi2", "2"), "awaited class": ("asgi", "a"),
    "awaited of two": ("rsgi", "r"), "both": ("rsgi", "ar"), "partial": ("asgi", "a"), "partial object": ("asgi", "a"),
    "partial twice": ("wsgi", "wr"), "lambda": ("wsgi", "wr"), "builtin": ("wsgi", "war"),
    "django": ("asgi", "a"), "starlette": ("asgi", "a"), "sanic": ("asgi", "a"), "falcon": ("asgi", "a"),
    "aiohttp": (None, ""), "tornado": (None, ""),
}
TELLS = '''
import json
import callables
from limpet import interfaces

def tell(application, wanted):
    try:
        return interfaces.choose(application, wanted)
    except interfaces.InterfaceError as error:
        return None

print(json.dumps({name: [tell(application, wanted) for wanted in ("auto", "wsgi", "asgi", "rsgi")]
                  for name, application in callables.objects.items()}))
'''


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "callables.py").write_text(CALLABLES)
    return tmp_path


def test_table(run, folder):
    done = run("python", "-c", TELLS, cwd=folder)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    letters = {"w": ("wsgi", 1), "a": ("asgi", 2), "2": ("asgi2", 2), "r": ("rsgi", 3)}
    expected = {}
    for name, (found, possible) in TABLE.items():
        expected[name] = [found, None, None, None]
        for letter in possible:
            interface, at = letters[letter]
            expected[name][at] = interface
    assert {name: told[name] for name in TABLE} == expected


NO_WAY = "does not take the arguments of an asynchronous application: scope, receive and send"
TWO = "cannot be called with the two arguments of WSGI, environ and start_response"


@pytest.mark.parametrize("name, options, why", [
    ("asgi", ["--interface", "wsgi"], "is an ASGI application, not WSGI; give --interface asgi$"),
    ("asgi2", ["--interface", "rsgi"], "is an ASGI 2 application, not RSGI; give --interface asgi$"),
    ("wsgi", ["--interface", "asgi"], "is a WSGI application, not ASGI; give --interface wsgi$"),
    ("rsgi", ["--interface", "asgi"], "is an RSGI application, not ASGI; give --interface rsgi$"),
    ("any_arguments", [], "can be called as ASGI and as RSGI; give --interface asgi or --interface rsgi$"),
    ("plainly_wrapped_rsgi", [], "can be called as WSGI and as RSGI; give --interface wsgi or --interface rsgi$"),
    ("one", [], NO_WAY), ("optional", ["--interface", "wsgi"], NO_WAY),
    ("request", [], f"{TWO}, but as ASGI 2; give --interface asgi$"), ("three_needed", [], f"{TWO}$"),
    ("generator", [], "is an asynchronous generator, which no interface has$"),
    ("nothing", [], "takes no arguments; if it makes the application, give --factory$"),
])
def test_refused(run, folder, name, options, why):
    check(run("check", f"callables:{name}", *options, cwd=folder), 1, f"^limpet: callables:{name} {why}")


@pytest.mark.parametrize("module, kind, server", [
    ("aiohttp.web_app", "Application", "aiohttp's own server"), ("tornado.web", "Application", "Tornado's own server"),
])
def test_applications_of_their_own_servers(run, folder, module, kind, server):
    (folder / "own.py").write_text(f"from callables import framework\napp = framework({module!r}, {kind!r})")
    check(run("check", "own", cwd=folder), 1,
          f"^limpet: own:app is an application for {server}, and neither WSGI nor ASGI nor RSGI$")


@pytest.mark.parametrize("name, options, interface", [
    ("asgi", [], "asgi"), ("Asgi2", [], "asgi2"), ("any_arguments", ["--interface", "asgi"], "asgi"),
    ("any_arguments", ["--interface", "rsgi"], "rsgi"), ("rsgi", [], "rsgi"), ("wsgi", ["--interface", "wsgi"], "wsgi"),
])
def test_chosen(run, folder, name, options, interface):
    done = run("check", f"callables:{name}", *options, cwd=folder)
    assert (done.stdout, done.stderr) == (f"ok: {interface} callables:{name}\n", "")


# --- In a folder ---

MANAGE = 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\n'
ASGI = "async def application(scope, receive, send): pass\n"
WSGI = "def application(environ, start_response): pass\n"
DJANGO = {
    "django/__init__.py": "", "django/core/__init__.py": "",
    "django/core/asgi.py": "def get_asgi_application():\n    async def handler(scope, receive, send): pass\n    return handler\n",
    "django/core/wsgi.py": "def get_wsgi_application():\n    return lambda environ, start_response: []\n",
}
PROJECT = {"manage.py": MANAGE, "shop/__init__.py": "", "shop/settings.py": ""}


def instance_of(module, kind):
    return {f"{module.replace('.', '/')}.py": f"class {kind}:\n    async def __call__(self, scope, receive, send): pass\n",
            "main.py": f"import {module}\nserver = {module}.{kind}()\n"}


@pytest.mark.parametrize("files, options, found", [
    ({**PROJECT, "shop/wsgi.py": WSGI, "shop/asgi.py": ASGI}, [], "wsgi shop.wsgi:application"),
    ({**PROJECT, "shop/wsgi.py": WSGI, "shop/asgi.py": ASGI}, ["--interface", "asgi"], "asgi shop.asgi:application"),
    ({**PROJECT, **DJANGO, "shop/wsgi.py": WSGI}, ["--interface", "asgi"], "asgi django.core.asgi:get_asgi_application()"),
    ({**PROJECT, **DJANGO}, [], "wsgi django.core.wsgi:get_wsgi_application()"),
    ({"asgi.py": ASGI}, [], "asgi asgi:application"),
    ({"asgi.py": ASGI, "wsgi.py": WSGI}, [], "wsgi wsgi:application"),
    ({"asgi.py": ASGI, "wsgi.py": WSGI}, ["--interface", "asgi"], "asgi asgi:application"),
    ({"shop/__init__.py": "", "shop/asgi.py": ASGI}, [], "asgi shop.asgi:application"),
    (instance_of("starlette.applications", "Starlette"), [], "asgi main:server"),
    (instance_of("fastapi", "FastAPI"), [], "asgi main:server"),
    (instance_of("quart", "Quart"), ["--interface", "asgi"], "asgi main:server"),
    ({"main.py": "from fastapi import FastAPI as F\nfrom flask import Flask\none = Flask()\ntwo = F()",
      "flask.py": "class Flask:\n    def __call__(self, environ, start_response): pass\n",
      "fastapi.py": instance_of("fastapi", "FastAPI")["fastapi.py"]}, ["--interface", "asgi"], "asgi main:two"),
])
def test_found_alike_by_check_and_pack(run, tmp_path, files, options, found):
    root = tmp_path / "tree"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    done = run("check", root, *options)
    assert (done.stdout, done.stderr) == (f"ok: {found}\n", "")
    assert run("pack", root, "-o", tmp_path / "packed", *options).returncode == 0
    done = run("check", binary=tmp_path / "packed", cwd=tmp_path)
    assert (done.stdout, done.stderr) == (f"ok: {found}\n", "")
