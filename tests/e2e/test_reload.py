"""limpet serve --reload: what a client sees while the sources change under a server, and what the operator reads."""

import http.client
import os
import re
import shutil
import signal
import threading
import zipfile

import pytest
from server import SERVING, eventually
from test_mistakes import check

pytestmark = pytest.mark.unvalidated(reason="about the module that was named, not about one around it")

SOURCE = """
def app(environ, start_response):
    body = b"%s"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""
CHANGED = r"(\S+) has changed, loading the application again"
RELOADED = r"serving \S+ \(wsgi\) as changed, after [\d.]+ s"
GOES_ON = r"worker 1 \(pid (\d+)\) goes on with what it has loaded"


def change(path, text):
    """Give a file that text in one step: where it is written, moments may lie between the steps on a busy machine, and
    more than one takes effect."""
    other = path.with_name(f"{path.name}.tmp")
    other.write_text(text)
    other.replace(path)


class Reloads:
    """A server with --reload, and how often its application was loaded again."""

    def __init__(self, server):
        self.server = server
        self.count = 0
        self.workers = set(server.workers())

    def wait(self):
        """Wait until one more change has taken effect and nobody is left who serves what was before."""
        self.count += 1
        self.server.wait_for(f"(?s)(?:{RELOADED}.*){{{self.count}}}")
        eventually(lambda: not self.workers & set(self.server.workers()))
        self.workers = set(self.server.workers())

    def wait_for_text(self, text):
        """Wait until that is served: more than one step of a change may take effect."""
        self.wait()
        while self.text() != text:
            self.wait()

    def text(self):
        with self.server.get() as response:
            return response.read().decode()


@pytest.fixture
def folder(application):
    return application(SOURCE % "one")


@pytest.fixture
def start(serve):
    """start(*arguments) -> Reloads of a server that serves already."""
    return lambda *arguments, **options: Reloads(serve(*arguments, "--reload", **options))


def test_change_is_served(start, folder):
    reloads = start("app:app", "--working-dir", folder)
    assert "with 1 worker\n" in reloads.server.log
    assert reloads.text() == "one"
    for text in ("two", "three"):
        change(folder / "app.py", SOURCE % text)
        reloads.wait_for_text(text)
    assert re.findall(CHANGED, reloads.server.log) == ["app.py", "app.py"]
    assert "warning" not in reloads.server.log


def test_two_workers(start, folder):
    reloads = start("app:app", "--working-dir", folder, "--workers", 2)
    assert "with 2 workers\n" in reloads.server.log
    before = set(reloads.server.workers())
    change(folder / "app.py", SOURCE % "two")
    reloads.wait()
    after = set(reloads.server.workers())
    assert len(before) == len(after) == 2 and not before & after
    assert [reloads.text() for _ in range(20)] == ["two"] * 20


# --- Clients meanwhile ---


class Client(threading.Thread):
    """Asks without a pause over a connection that it keeps, as browsers do it: where a connection that served before is
    closed without a byte of an answer, the request is sent again on a new one; on a new one that is a failure."""

    def __init__(self, port):
        super().__init__()
        self.port = port
        self.answers = 0
        self.seen = None  # what the last answer was
        self.failures = []
        self.stop = False
        self.connection, self.used = None, False

    def run(self):
        while not self.stop and not self.failures:
            try:
                self.seen = self.ask()
                self.answers += 1
            except (OSError, http.client.HTTPException) as error:
                if not self.used or not isinstance(error, (ConnectionError, http.client.RemoteDisconnected)):
                    self.failures.append(repr(error))
                self.close()
        self.close()

    def ask(self):
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        self.connection.request("GET", "/")
        response = self.connection.getresponse()
        body = response.read().decode()
        assert response.status == 200
        if response.will_close:
            self.close()
        else:
            self.used = True
        return body

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection, self.used = None, False


def test_no_request_fails_during_reloads(start, folder):
    reloads = start("app:app", "--working-dir", folder)
    clients = [Client(reloads.server.port) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        for text in ("one", "two", "three", "four", "five", "six"):
            if text != "one":
                change(folder / "app.py", SOURCE % text)
            # All of them, and each with some more requests of this application than the first.
            eventually(lambda: all(client.seen == text or client.failures for client in clients))
            target = [client.answers + 10 for client in clients]
            eventually(lambda: all(client.answers >= least or client.failures
                                   for client, least in zip(clients, target)))
    finally:
        for client in clients:
            client.stop = True
        for client in clients:
            client.join()
    assert [client.failures for client in clients] == [[]] * 4
    assert sum(client.answers for client in clients) >= 200
    reloads.server.wait_for_count(RELOADED, 5)
    reloads.server.stop()
    assert len(re.findall(RELOADED, reloads.server.log)) == 5


def test_request_under_way_is_answered_by_the_old_worker(start, application, tmp_path):
    source = """
import os, time

def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        os.write(2, b"slow has begun\\n")
        while not os.path.exists(%r):
            time.sleep(0.005)
    body = b"%s"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""
    gate = str(tmp_path / "gate")
    folder = application(source % (gate, "one"))
    reloads = start("app:app", "--working-dir", folder)
    connection = http.client.HTTPConnection("127.0.0.1", reloads.server.port, timeout=60)
    connection.request("GET", "/slow")
    reloads.server.wait_for("slow has begun")
    change(folder / "app.py", source % (gate, "two"))
    reloads.server.wait_for(RELOADED)
    eventually(lambda: reloads.text() == "two")  # the old one takes connections until it has been told
    assert len(reloads.server.workers()) == 2
    open(gate, "w").close()
    response = connection.getresponse()
    assert (response.status, response.read()) == (200, b"one")
    reloads.wait()


# --- Applications that cannot be loaded ---


@pytest.mark.parametrize("broken, traceback, line", [
    ("import json\nimport nothing_of_the_kind\n", r"app\.py\", line 2.*ModuleNotFoundError: ", "nothing_of_the_kind"),
    ("def app(environ:\n", r"app\.py\", line 1.*SyntaxError: ", "was never closed"),
    ("application = None\n", "", r"app"),
    ("import os\nos._exit(7)\n", "", "exited with status 7"),
])
def test_broken_application_keeps_the_old_one(start, folder, broken, traceback, line):
    reloads = start("app:app", "--working-dir", folder)
    old = reloads.server.workers()
    change(folder / "app.py", broken)
    assert reloads.server.wait_for(GOES_ON)[1] == str(old[0])
    reloads.server.wait_for(f"(?s){traceback}.*{line}.*{GOES_ON}")
    assert [reloads.text() for _ in range(5)] == ["one"] * 5
    change(folder / "app.py", SOURCE % "mended")
    reloads.wait_for_text("mended")
    assert len(re.findall(GOES_ON, reloads.server.log)) == 1


def test_broken_at_the_start_is_waited_for(serve, application):
    folder = application("import nothing_of_the_kind\n")
    server = serve("app:app", "--reload", "--working-dir", folder, "--workers", 2, expect_start=False)
    server.wait_for("(?s)ModuleNotFoundError: .*worker 1 cannot start: .*; waiting for a change\n")
    (folder / "app.py").write_text(SOURCE % "mended")
    server.url = server.wait_for(SERVING)["addresses"]
    with server.get() as response:
        assert response.read() == b"mended"


def test_change_while_the_last_one_loads(start, application, folder):
    reloads = start("app:app", "--working-dir", folder)
    (folder / "app.py").write_text("import os, time\nos.write(2, b'loading\\n')\ntime.sleep(1000)\n")
    reloads.server.wait_for("loading\n")
    assert reloads.text() == "one"
    (folder / "app.py").write_text(SOURCE % "two")
    reloads.wait_for_text("two")


def test_stop_while_one_loads(start, folder):
    reloads = start("app:app", "--working-dir", folder, "--graceful-timeout", "1h")
    (folder / "app.py").write_text("import os, time\nos.write(2, b'loading\\n')\ntime.sleep(1000)\n")
    reloads.server.wait_for("loading\n")
    reloads.server.process.send_signal(signal.SIGINT)
    assert reloads.server.process.wait(60) == 0


# --- What changes, and how ---


def rename_over(folder):
    (folder / "app.py.tmp").write_text(SOURCE % "two")
    (folder / "app.py.tmp").rename(folder / "app.py")
    return "app.py"


def vim(folder):
    (folder / "4913").touch()
    (folder / "4913").unlink()
    (folder / "app.py").rename(folder / "app.py~")
    (folder / "app.py").write_text(SOURCE % "two")
    (folder / "app.py~").unlink()
    return "app.py"


def delete_and_create(folder):
    (folder / "app.py").unlink()
    (folder / "app.py").write_text(SOURCE % "two")
    return "app.py"


def new_package(folder):
    (folder / "cart").mkdir()
    (folder / "cart/__init__.py").touch()
    (folder / "cart/views.py").write_text(SOURCE % "two")
    (folder / "app.py").write_text("from cart.views import app")
    return "cart/__init__.py"


def renamed_package(folder):
    (folder / ".made").mkdir()
    (folder / ".made/__init__.py").write_text(SOURCE % "two")
    (folder / "app.py").unlink()
    (folder / ".made").rename(folder / "app")
    return "app.py"


@pytest.mark.parametrize("change", [rename_over, vim, delete_and_create, new_package, renamed_package])
def test_ways_to_change(start, folder, change):
    reloads = start("app:app", "--working-dir", folder)
    name = change(folder)
    reloads.wait_for_text("two")
    assert re.search(CHANGED, reloads.server.log)[1] == name


def test_subfolders_that_come_and_go(start, folder):
    reloads = start("app:app", "--working-dir", folder)
    package = folder / "shop/cart"
    package.mkdir(parents=True)
    (package / "views.py").write_text(SOURCE % "two")
    (folder / "app.py").write_text("from shop.cart.views import app")
    reloads.wait_for_text("two")
    (package / "views.py").write_text(SOURCE % "three")
    reloads.wait_for_text("three")
    # Without it nothing can be loaded, until it is there again, with whatever else.
    package.rename(folder / "shop/basket")
    reloads.server.wait_for(GOES_ON)
    assert reloads.text() == "three"
    (folder / "shop/basket/views.py").write_text(SOURCE % "four")
    (folder / "shop/basket").rename(package)
    reloads.wait_for_text("four")
    (package / "views.py").write_text(SOURCE % "five")
    reloads.wait_for_text("five")
    (folder / "app.py").write_text(SOURCE % "six")
    shutil.rmtree(folder / "shop")
    reloads.wait_for_text("six")


def test_what_does_not_count(start, folder):
    environment = folder / "env/lib/python3.14"
    environment.mkdir(parents=True)
    (folder / "env/pyvenv.cfg").touch()
    reloads = start("app:app", "--working-dir", folder)
    for name in ("__pycache__/app.cpython-314.py", ".git/hook.py", "node_modules/gyp.py", "site-packages/other.py",
                 ".app.py.swp", "app.py~", "#app.py#", ".#app.py", "4913", "shop.sqlite", "access.log",
                 "env/lib/python3.14/module.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x = 1")
    change(folder / "app.py", SOURCE % "two")
    reloads.wait()
    assert re.findall(CHANGED, reloads.server.log) == ["app.py"]


def test_template_and_environment_file(start, application, tmp_path):
    folder = application("""
import os

with open("page.html") as file:
    page = file.read() + os.environ["TAIL"]

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html")])
    return [page.encode()]
""")
    (folder / "page.html").write_text("<p>")
    settings = tmp_path / "shop.env"
    settings.write_text("TAIL=one")
    reloads = start("app:app", "--working-dir", folder, "--env-files", settings)
    assert reloads.text() == "<p>one"
    change(folder / "page.html", "<b>")
    reloads.wait_for_text("<b>one")
    change(settings, "TAIL=two")
    reloads.wait_for_text("<b>two")
    assert re.findall(CHANGED, reloads.server.log) == ["page.html", str(settings)]


@pytest.mark.parametrize("target", [".", "{0}", "{0}:app:app", "{0}/app.py", "app.py", "app"])
def test_targets(start, folder, target):
    reloads = start(target.format(folder), folder=folder)
    (folder / "app.py").write_text(SOURCE % "two")
    reloads.wait_for_text("two")


def test_zip(start, tmp_path):
    def write(text):
        with zipfile.ZipFile(tmp_path / "new.zip", "w") as archive:
            archive.writestr("app.py", SOURCE % text)
        os.rename(tmp_path / "new.zip", tmp_path / "shop.zip")

    write("one")
    reloads = start(tmp_path / "shop.zip")
    write("two")
    reloads.wait_for_text("two")


# --- Refusals ---


@pytest.mark.parametrize("arguments, variables", [(["--reload"], {}), (["serve", "--reload"], {}),
                                                  ([], {"LIMPET_RELOAD": "1"})])
def test_packed_binary_refuses(packed, folder, run, arguments, variables):
    binary = packed(folder, name="shop")
    done = run(*arguments, binary=binary, env={**os.environ, **variables})
    check(done, 2, r"^shop: --reload: what is packed into shop does not change \(write: limpet serve FOLDER --reload, "
                   r"with the application's sources in FOLDER\)$")


def test_folder_that_is_not_there(run, tmp_path):
    check(run("serve", tmp_path / "nowhere/app.py", "--reload"), 1,
          f"^limpet: cannot watch {tmp_path}/nowhere for --reload: No such file or directory$")


def test_pack_does_not_know_it(run, folder, tmp_path):
    check(run("pack", folder, "-o", tmp_path / "shop", "--reload"), 2, '^limpet: --reload is an option of "limpet serve"')


def test_one_worker_unless_told(run):
    done = run("serve", "app", "--reload", "--print-config")
    assert re.search(r"^reload = true +# command line$", done.stdout, re.M)
    assert re.search(r"^workers = 1 +# default$", done.stdout, re.M)
    done = run("serve", "app", "--reload", "--print-config", env={**os.environ, "LIMPET_WORKERS": "3"})
    assert re.search(r"^workers = 3 +# LIMPET_WORKERS$", done.stdout, re.M)
