"""limpet pack --collect-static: the static files of Django and Flask are packed, and served without Python."""

import json
import pathlib
import re
import subprocess
import urllib.error

import pytest

pytestmark = pytest.mark.unsanitized(reason="packing is Python")

FLASK = ("python3-flask", "python3-werkzeug", "python3-jinja2", "python3-markupsafe", "python3-itsdangerous",
         "python3-click", "python3-blinker")
DJANGO = ("python3-django", "python3-asgiref", "python3-sqlparse")
LIBRARY = pathlib.Path(__file__).parent / "applications/library"

FLASK_APP = """
from flask import Flask, Blueprint, url_for
import gadgets
app = Flask(__name__)
app.register_blueprint(Blueprint("admin", "admin", static_folder="static", url_prefix="/admin"))
app.register_blueprint(Blueprint("lost", "admin", static_folder="nothing", url_prefix="/lost"))
app.register_blueprint(Blueprint("whose", "admin", static_folder="static", url_prefix="/<user>"))
app.register_blueprint(gadgets.blueprint)

@app.after_request
def mark(response):
    response.headers["X-Python"] = "yes"
    return response

@app.route("/")
def index():
    return url_for("static", filename="shop.css") + " " + url_for("gadgets.static", filename="g.js")
"""

SETTINGS = {
    "BASE_DIR": "__import__('pathlib').Path(__file__).resolve().parent.parent",
    "SECRET_KEY": "'tests only'",
    "ALLOWED_HOSTS": "['*']",
    "ROOT_URLCONF": "'shop.urls'",
    "INSTALLED_APPS": "['django.contrib.staticfiles', 'shop']",
    "STATIC_URL": "'static/'",
    "STATIC_ROOT": "BASE_DIR / 'staticfiles'",
    "STORAGES": "{'staticfiles': {'BACKEND': 'django.contrib.staticfiles.storage.ManifestStaticFilesStorage'}}",
}
URLS = """
from django.http import HttpResponse
from django.templatetags.static import static
from django.urls import path
urlpatterns = [path("", lambda request: HttpResponse(static("shop/shop.css"), headers={"X-Python": "yes"}))]
"""


def write(folder, files):
    """The folder, with these files in it."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def django_project(folder, **changes):
    """changes: settings; None: left out."""
    settings = {**SETTINGS, **changes}
    return write(folder, {
        "manage.py": "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n",
        "shop/__init__.py": "", "shop/urls.py": URLS,
        "shop/settings.py": "".join(f"{key} = {value}\n" for key, value in settings.items() if value is not None),
        "shop/static/shop/shop.css": "body { background: url('back.svg') }\n", "shop/static/shop/back.svg": "<svg/>\n",
    })


@pytest.fixture
def pack(limpet, tmp_path):
    """pack(source, *options) -> (path of the binary, what it said)."""
    def run(source, *options, output="packed"):
        done = subprocess.run([limpet, "pack", source, "-o", tmp_path / output, "--collect-static", *map(str, options)],
                              capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return tmp_path / output, done.stdout

    return run


@pytest.fixture
def refuse(limpet, tmp_path):
    """refuse(source, *options) -> (the line that says why, what came before it)."""
    def run(source, *options):
        done = subprocess.run([limpet, "pack", source, "-o", tmp_path / "packed", "--collect-static", *map(str, options)],
                              capture_output=True, text=True, timeout=300)
        assert done.returncode == 1 and not (tmp_path / "packed").exists(), done.stdout + done.stderr
        *before, line = done.stderr.splitlines()
        assert line.startswith("limpet pack: --collect-static: "), done.stderr
        return line.removeprefix("limpet pack: --collect-static: "), "\n".join(before)

    return run


@pytest.fixture
def inspect(limpet):
    """inspect(binary) -> the packed settings for static files."""
    def settings(binary):
        text = subprocess.run([limpet, "inspect", binary], check=True, capture_output=True, text=True).stdout
        return re.findall(r"^  static = (.+)$", text, re.MULTILINE)

    return settings


@pytest.fixture
def flask_shop(tmp_path, debian_packages):
    """(source, options) of an application with blueprints, one of them of a package."""
    source = write(tmp_path / "shop", {
        "app.py": FLASK_APP, "static/shop.css": "body {}\n", "static/sub/a b.txt": "with a blank\n", "admin/__init__.py": "",
        "admin/static/admin.js": "alert(1)\n"})
    packages = write(tmp_path / "packages", {
        "gadgets/__init__.py": "from flask import Blueprint\nblueprint = Blueprint('gadgets', __name__, "
                               "static_folder='files', static_url_path='/gadgets/files')\n",
        "gadgets/files/g.js": "gadget()\n"})
    return source, ("--with", debian_packages(*FLASK), "--with", packages)


def fetch(server, path):
    """Status, body, and whether Python has answered."""
    try:
        answer = server.get(path)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.read().decode(), answer.headers.get("X-Python") == "yes"


def test_flask(pack, inspect, flask_shop, serve):
    source, options = flask_shop
    binary, report = pack(source, *options)
    assert inspect(binary) == ["/admin/static=admin/static", "/gadgets/files=collected-static/gadgets", "/static=static"]
    assert "collected: 2 static files of Flask for /static in static\n" in report
    assert "--collect-static: lost.static: there is no folder admin/nothing\n" in report
    assert "--collect-static: whose.static: its URL depends on the request: left to the application\n" in report
    server = serve(binary=binary)
    assert fetch(server, "/") == (200, "/static/shop.css /gadgets/files/g.js", True)
    assert fetch(server, "/static/shop.css") == (200, "body {}\n", False)
    assert fetch(server, "/static/sub/a%20b.txt") == (200, "with a blank\n", False)
    assert fetch(server, "/admin/static/admin.js") == (200, "alert(1)\n", False)
    assert fetch(server, "/gadgets/files/g.js") == (200, "gadget()\n", False)


def test_what_the_operator_gave_stays(pack, inspect, flask_shop):
    source, options = flask_shop
    binary, report = pack(source, *options, "--static", "/static=/srv/static", "--static", "/more=admin")
    assert "--collect-static: /static is left to --static /static=/srv/static\n" in report
    assert sorted(inspect(binary)) == ["/admin/static=admin/static", "/gadgets/files=collected-static/gadgets",
                                       "/more=admin", "/static=/srv/static"]


def test_flask_behind_middleware(pack, inspect, flask_shop):
    source, options = flask_shop
    write(source, {"outer.py": "from werkzeug.middleware.proxy_fix import ProxyFix\nfrom app import app as inner\n"
                               "app = ProxyFix(inner)\n"})
    assert "/static=static" in inspect(pack(source, *options, "--app", "outer:app")[0])


def test_flask_made_by_a_factory(pack, inspect, tmp_path, debian_packages):
    source = write(tmp_path / "made", {"app.py": "from flask import Flask\ndef create_app():\n    return Flask(__name__)\n",
                                       "static/x.txt": "x"})
    assert inspect(pack(source, "--with", debian_packages(*FLASK))[0]) == ["/static=static"]


def test_flask_without_static_files(pack, inspect, tmp_path, debian_packages):
    source = write(tmp_path / "bare", {"app.py": "from flask import Flask\napp = Flask(__name__)\n"})
    binary, report = pack(source, "--with", debian_packages(*FLASK))
    assert "--collect-static: Flask's application has no static files\n" in report and inspect(binary) == []


def test_django(pack, inspect, tmp_path, serve, debian_packages):
    """With fingerprints: the application finds the manifest in the archive. What an earlier collectstatic has left goes."""
    source = write(django_project(tmp_path / "shop"), {"staticfiles/old.txt": "left by somebody"})
    packages = debian_packages(*DJANGO)
    binary, report = pack(source, "--with", packages)
    assert inspect(binary) == ["/static=staticfiles"]
    assert "collected: 5 static files of Django for /static in staticfiles\n" in report
    assert pack(source, "--with", packages, output="again")[0].read_bytes() == binary.read_bytes()
    server = serve(binary=binary)
    status, name, by_python = fetch(server, "/")
    assert status == 200 and by_python and re.fullmatch(r"/static/shop/shop\.[0-9a-f]{12}\.css", name)
    status, text, by_python = fetch(server, name)
    assert status == 200 and not by_python
    image = re.search(r"back\.[0-9a-f]{12}\.svg", text)[0]
    assert fetch(server, f"/static/shop/{image}") == (200, "<svg/>\n", False)
    assert fetch(server, "/static/old.txt")[0] == 404
    # Nothing is written beside the sources.
    assert sorted(path.name for path in (source / "staticfiles").iterdir()) == ["old.txt"]


def test_django_with_its_files_elsewhere(pack, inspect, debian_packages):
    """STATIC_ROOT on the machine that serves: of no use to us, and to nobody without a manifest."""
    binary, report = pack(LIBRARY, "--with", debian_packages("python3-django", suite="trixie-backports"), "--with",
                          debian_packages("python3-asgiref", "python3-sqlparse", "python3-whitenoise"))
    assert inspect(binary) == ["/static=collected-static"]
    assert int(re.search(r"collected: (\d+) static files of Django", report)[1]) > 100


# --- What cannot be collected ---


def test_no_framework(refuse, tmp_path):
    source = write(tmp_path / "plain", {"app.py": "def app(environ, start_response): pass\n"})
    assert refuse(source)[0] == ("app:app is neither Django's application nor Flask's: name its folders by --static "
                                 "PREFIX=FOLDER")


def test_an_application_that_cannot_be_loaded(refuse, tmp_path):
    source = write(tmp_path / "broken", {"app.py": "import fast_things\napp = 1\n", "fast_things.cpython-314.so": "native"})
    line, before = refuse(source)
    assert line.startswith("the application cannot be loaded to ask it: ModuleNotFoundError: No module named 'fast_things'")
    assert "limpet inspect lists those that were left out" in line and 'app.py", line 1' in before


def test_an_application_that_ends_the_process(refuse, tmp_path):
    source = write(tmp_path / "ends", {"app.py": "import os\nprint('goodbye', flush=True)\nos._exit(3)\napp = 1\n"})
    assert refuse(source) == ("the application has ended with status 3 while it was asked", "goodbye")


def test_a_collection_that_fails(refuse, tmp_path, debian_packages):
    """The manifest's storage misses a file that a style sheet names: Django's own words are shown."""
    source = django_project(tmp_path / "shop")
    (source / "shop/static/shop/back.svg").unlink()
    line, before = refuse(source, "--with", debian_packages(*DJANGO))
    assert line.startswith("collectstatic has failed: ") and "shop/back.svg" in line
    assert "Post-processing 'shop/shop.css' failed!" in before


MANIFEST_ELSEWHERE = "not below the project's folder: the packed application would not find the manifest"


@pytest.mark.parametrize("changes, said", [
    ({"STATIC_ROOT": None}, "STATIC_ROOT is not set in Django's settings: give it a folder of the project, as BASE_DIR / "
                            "'staticfiles'"),
    ({"STATIC_URL": None}, "STATIC_URL is not set in Django's settings: give it a path, as '/static/'"),
    ({"STATIC_URL": "'https://cdn.example/s/'"}, "STATIC_URL is https://cdn.example/s/: cdn.example serves the static "
                                                 "files; bring them there, or set it to a path"),
    ({"STATIC_URL": "'//cdn.example/s/'"}, "STATIC_URL is //cdn.example/s/: cdn.example serves"),
    ({"STATIC_URL": "'/'"}, "STATIC_URL is /: the whole site; give it a path of its own, as '/static/'"),
    ({"INSTALLED_APPS": "['shop']"}, "django.contrib.staticfiles is not in INSTALLED_APPS of Django's settings"),
    ({"STATIC_ROOT": "'/srv/static'"}, f"STATIC_ROOT is /srv/static, {MANIFEST_ELSEWHERE}"),
    ({"STORAGES": "{'staticfiles': {'BACKEND': 'django.core.files.storage.memory.InMemoryStorage'}}"},
     "the storage of Django's static files, InMemoryStorage, keeps them elsewhere"),
    ({"STATIC_URL": "unknown"}, "the application cannot be loaded to ask it: NameError: name 'unknown' is not defined"),
], ids=lambda value: "-".join(value) if isinstance(value, dict) else "")
def test_settings_of_django(limpet, tmp_path, debian_packages, changes, said):
    """Asked without packing, which takes longer than the question."""
    source = django_project(tmp_path / "shop", **changes)
    question = {"target": "django.core.wsgi:get_wsgi_application()", "interface": "auto", "factory": False,
                "output": str(tmp_path), "elsewhere": "collected-static"}
    subprocess.run([limpet, "python", "-c", "from limpet import static_probe; static_probe.main()", json.dumps(question)],
                   cwd=source, env={"PYTHONPATH": f"{source}:{debian_packages(*DJANGO)}"}, check=True, timeout=120,
                   capture_output=True)
    assert json.loads((tmp_path / "found.json").read_text())["error"].startswith(said)


def test_threads_of_the_application(flask_shop, pack, inspect):
    """One that never ends does not keep pack."""
    source, options = flask_shop
    write(source, {"app.py": "import threading\nthreading.Thread(target=threading.Event().wait).start()\n" + FLASK_APP})
    binary, _ = pack(source, *options)
    assert any(line.startswith("/static=") for line in inspect(binary)), inspect(binary)


def test_threads_of_an_application_that_fails(tmp_path, refuse):
    source = write(tmp_path / "shop", {
        "app.py": "import threading\nthreading.Thread(target=threading.Event().wait).start()\n"
                  "app = None\nraise LookupError('lost')\n"})
    line, before = refuse(source)
    assert "LookupError: lost" in line and "Traceback" in before
