"""limpet pack: what is taken, what is left out and refused, and that it says so."""

import ctypes
import os
import resource
import shutil
import socket
import stat
import zipfile

import pytest
from build_python import ELF

pytestmark = pytest.mark.unsanitized(reason="packing is Python")

LIBC = ctypes.CDLL(None)


def members(path):
    """{name: content} of an appliance's application: everything but the base and compiled code."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()
                if name.startswith(("app/", "site/", "limpet/settings", "limpet/left-out")) and ".pyc" not in name}


def settings(path):
    with zipfile.ZipFile(path) as archive:
        return archive.read("limpet/settings").decode()


# --- What an appliance holds ---


def test_folder(pack, folder):
    shop = folder("shop", {"app.py": "app = 1\n", "static/x.css": "body {}"})
    out = pack(shop)
    assert members(out) == {"app/app.py": b"app = 1\n", "app/static/x.css": b"body {}",
                            "limpet/settings": b"target = app:app\n"}
    assert stat.S_IMODE(out.stat().st_mode) == 0o755
    lines = pack.report.splitlines()
    assert len(lines) == 1 and lines[0].startswith("packed shop: 2 files, ")
    assert lines[0].endswith(f" in all -> {out}")


def test_single_file(pack, folder):
    source = folder("shop", {"hello.py": "def app(): pass\n", "other.py": ""}) / "hello.py"
    assert members(pack(source)) == {"app/hello.py": b"def app(): pass\n", "limpet/settings": b"target = hello:app\n"}
    assert pack.report.startswith("packed hello: 1 file, ")


def test_settings_are_kept(pack, folder):
    out = pack(folder("shop", {"app.py": "app = 1"}), "--settings", "port = 9000\nworkers = 2")
    assert settings(out) == "target = app:app\nport = 9000\nworkers = 2\n"


def test_base_is_kept_without_pip(pack, folder, limpet):
    with zipfile.ZipFile(limpet) as archive:
        before = {name: archive.read(name) for name in archive.namelist()}
    assert "lib/pip/__init__.py" in before
    with zipfile.ZipFile(pack(folder("shop", {"app.py": "app = 1"}))) as archive:
        after = {name: archive.read(name) for name in archive.namelist() if name.startswith(("lib/", "limpet/"))}
    del after["limpet/settings"]
    assert after == {name: content for name, content in before.items() if "/pip" not in name}
    assert {"lib/data/long.txt", "limpet/parts", "limpet/licences/limpet"} <= set(after)


def test_an_appliance_packs_as_limpet_does(pack, folder, tmp_path):
    shop = folder("shop", {"app.py": "app = 1"})
    first = pack(shop, "--settings", "port = 1")
    other = folder("other", {"main.py": "app = 2"})
    second = pack(other, binary=first, output=tmp_path / "second")
    assert second.read_bytes() == pack(other, output=tmp_path / "third").read_bytes()


def test_the_running_executable_may_be_replaced(pack, folder, limpet, tmp_path):
    own = tmp_path / "own"
    shutil.copyfile(limpet, own)
    shop = folder("shop", {"app.py": "app = 1"})
    expected = pack(shop).read_bytes()
    inode = own.stat().st_ino
    assert pack(shop, binary=own, output=own).read_bytes() == expected
    assert own.stat().st_ino != inode


# --- What is left out ---


def test_excluded(pack, folder):
    shop = folder("shop", {
        "app.py": "app = 1", "__pycache__/app.pyc": "", "old.pyc": "", ".git/config": "", "sub/.git": "gitdir: x",
        ".hg/x": "", ".svn/x": "", ".bzr/x": "", ".venv/x": "", "environment/pyvenv.cfg": "", "environment/lib/x": "",
        "node_modules/x": "", ".tox/x": "", ".nox/x": "", ".mypy_cache/x": "", ".pytest_cache/x": "",
        ".ruff_cache/x": "", ".DS_Store": "", "x.egg-link": "", ".env": "SECRET=1", "sub/.env": "SECRET=2",
        "venv/__init__.py": "", ".envrc": "kept", ".gitignore": "kept", "db.sqlite3": "kept",
    })
    out = pack(shop)
    assert set(members(out)) == {"app/app.py", "app/.envrc", "app/.gitignore", "app/db.sqlite3",
                                 "app/venv/__init__.py", "limpet/settings"}
    report = pack.report.splitlines()[:-1]
    assert report == [f"left out: {shop}/.env: secrets do not belong into an appliance: set its environment instead",
                      f"left out: {shop}/sub/.env: secrets do not belong into an appliance: set its environment instead",
                      f"left out: {shop}/x.egg-link: belongs to an editable install: install the project itself"]


def test_output_is_not_packed(pack, folder):
    shop = folder("shop", {"app.py": "app = 1", "out": "an older one", "out.tmp": "left by an interrupted run",
                           "sub/out": "another"})
    assert set(members(pack(shop, output=shop / "out"))) == {"app/app.py", "app/sub/out", "limpet/settings"}
    assert sorted(os.listdir(shop)) == ["app.py", "out", "sub"]


def test_special_files(pack, folder):
    shop = folder("shop", {"app.py": "app = 1"})
    os.mkfifo(shop / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(shop / "sock"))
    assert set(members(pack(shop))) == {"app/app.py", "limpet/settings"}
    assert pack.report.splitlines()[:-1] == [f"left out: {shop}/pipe: a named pipe",
                                             f"left out: {shop}/sock: a socket"]


def give_up_reading_everything():
    """In the child: root may read any file, unless it gives up CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""
    if os.geteuid() == 0:
        for capability in (1, 2):
            assert LIBC.prctl(24, capability, 0, 0, 0) == 0  # PR_CAPBSET_DROP


def test_unreadable_files(pack, folder):
    shop = folder("shop", {"app.py": "app = 1", "secret": "", "closed/x": ""})
    (shop / "secret").chmod(0)
    (shop / "closed").chmod(0)
    try:
        out = pack(shop, prepare=give_up_reading_everything)
    finally:
        (shop / "closed").chmod(0o755)
    assert set(members(out)) == {"app/app.py", "limpet/settings"}
    assert pack.report.splitlines()[:-1] == [f"left out: {shop}/closed: may not be read",
                                             f"left out: {shop}/secret: may not be read"]


# --- Symbolic links ---


def test_links_within_are_followed(pack, folder):
    shop = folder("shop", {"app.py": "app = 1", "real/x.txt": "x"})
    (shop / "file").symlink_to("real/x.txt")
    (shop / "folder").symlink_to(shop / "real")
    (shop / "upwards").mkdir()
    (shop / "upwards" / "again").symlink_to("../real/../app.py")
    found = members(pack(shop))
    assert found["app/file"] == found["app/folder/x.txt"] == found["app/real/x.txt"] == b"x"
    assert found["app/upwards/again"] == b"app = 1"


def test_source_may_be_a_link(pack, folder, tmp_path):
    (tmp_path / "link").symlink_to(folder("shop", {"app.py": "app = 1"}))
    assert "app/app.py" in members(pack(tmp_path / "link"))


@pytest.mark.parametrize("target, expected", [
    ("../secret", "a symbolic link out of "), ("/etc/hostname", "a symbolic link out of "),
    ("..", "a symbolic link out of "), ("nowhere", "a symbolic link that leads nowhere: No such file or directory"),
    ("link", "a symbolic link that leads nowhere: "),
    (".", "a symbolic link to a folder that it lies in"),
    ("../shop", "a symbolic link to a folder that it lies in"),
])
def test_links_refused(refuse, folder, tmp_path, target, expected):
    (tmp_path / "secret").write_text("s")
    shop = folder("shop", {"app.py": "app = 1"})
    (shop / "link").symlink_to(target)
    line = refuse(shop)
    assert line.startswith(f"{shop}/link: ") and expected in line


def test_loop_further_down(refuse, folder):
    shop = folder("shop", {"app.py": "app = 1", "a/b/c/x": ""})
    (shop / "a/b/c/up").symlink_to("../..")
    assert refuse(shop) == f"{shop}/a/b/c/up: a symbolic link to a folder that it lies in"


# --- Input that is refused ---


def test_bad_sources(refuse, folder, tmp_path):
    assert refuse(tmp_path / "none") == f"{tmp_path}/none: no such file or folder"
    assert refuse(folder("empty", {".git/x": ""})) == f"{tmp_path}/empty: there is nothing in it to pack"
    text = folder("other", {"x.txt": ""}) / "x.txt"
    assert refuse(text) == f"{text}: neither a folder nor a .py file"


def test_bad_outputs(refuse, folder, tmp_path):
    shop = folder("shop", {"app.py": "app = 1"})
    assert refuse(shop, output=tmp_path / "no/out") == f"{tmp_path}/no/out: there is no folder {tmp_path}/no"
    assert refuse(shop, output=shop) == f"{shop}: is a folder: name the file to write"
    assert refuse(shop, output="/dev/null") == "/dev/null: is no regular file"
    source = shop / "app.py"
    assert refuse(source, output=source) == f"{source}: would overwrite the source"
    assert source.read_text() == "app = 1"
    assert refuse(shop, output="/proc/x") == "/proc/x.tmp: No such file or directory"


@pytest.mark.parametrize("name, expected", [
    (b"caf\xe9.txt", "caf\\udce9.txt: its name is not UTF-8"),
    (b"back\\slash", "back\\slash: a backslash in its name"),
    (b"line\nfeed/" + b"x" * 250 + b"/" + b"y" * 250 + b"/" + b"z" * 250 + b"/" + b"w" * 250 + b"/" + b"v" * 100,
     ": its name is too long (at most 1024 bytes, 255 between slashes)"),
])
def test_bad_names(refuse, folder, name, expected):
    shop = folder("shop", {"app.py": "app = 1"})
    path = os.path.join(os.fsencode(shop), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8"):
        pass
    assert refuse(shop).endswith(expected)


def test_a_failure_leaves_the_old_file(refuse, folder, tmp_path):
    (tmp_path / "out").write_text("old")
    refuse(folder("shop", {"other.py": ""}))
    assert (tmp_path / "out").read_text() == "old"


def test_a_full_disk_leaves_nothing(refuse, folder, tmp_path):
    shop = folder("shop", {"app.py": "app = 1", "large": os.urandom(200_000)})

    def small_files_only():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    assert refuse(shop, prepare=small_files_only) == f"{tmp_path}/out: File too large"


def test_own_executable_without_archive(refuse, folder, tmp_path):
    bare = tmp_path / "bare"
    bare.write_bytes(ELF)
    line = refuse(folder("shop", {"app.py": "app = 1"}), binary=bare)
    assert line == f"{bare}: no archive behind the executable: not a limpet binary, or truncated"


# --- Packages ---


def test_with_folders(pack, folder):
    first = folder("first", {"flask/__init__.py": "", "shared/x.py": "same", "a.dist-info/RECORD": "one",
                             "a.dist-info/INSTALLER": "pip"})
    second = folder("second", {"jinja2/__init__.py": "", "shared/x.py": "same", "shared/y.py": "",
                               "a.dist-info/RECORD": "two", "a.dist-info/INSTALLER": "uv"})
    shop = folder("shop", {"app.py": "app = 1", "shared/x.py": "the application's own"})
    found = members(pack(shop, "--with", first, "--with", second))
    assert {"site/flask/__init__.py", "site/jinja2/__init__.py", "site/shared/y.py"} < set(found)
    assert found["site/shared/x.py"] == b"same" and found["app/shared/x.py"] == b"the application's own"
    assert found["site/a.dist-info/RECORD"] == b"one" and found["site/a.dist-info/INSTALLER"] == b"pip"


def test_with_folders_that_differ(refuse, folder):
    first, second = folder("first", {"x.py": "1"}), folder("second", {"x.py": "2"})
    shop = folder("shop", {"app.py": "app = 1"})
    line = refuse(shop, "--with", first, "--with", second)
    assert line == f"{first}/x.py and {second}/x.py differ: both would become site/x.py"
    third = folder("third", {"x.py/y": ""})
    line = refuse(shop, "--with", first, "--with", third)
    assert line == f"{first}/x.py is a file, but a folder in {third}/x.py/y"


def test_with_bad_folders(refuse, folder, tmp_path):
    shop = folder("shop", {"app.py": "app = 1"})
    assert refuse(shop, "--with", tmp_path / "none") == f"--with {tmp_path}/none: no such folder"
    environment = folder("env", {"pyvenv.cfg": "", "lib/python3.14/site-packages/x.py": ""})
    assert refuse(shop, "--with", environment) == (
        f"--with {environment}: is a virtual environment; give its lib/python3.14/site-packages")


NATIVE = ".cpython-314-x86_64-linux-gnu.so"


@pytest.mark.parametrize("files, expected", [
    ({"m/_s.so": "", "m/__init__.py": "try:\n    from ._s import x\nexcept ImportError:\n    x = 1\n"},
     "fallback: pure Python (m/__init__.py imports it guarded)"),
    ({"m/_s.abi3.so": "", "m/__init__.py": "try:\n    import m._s\nexcept (OSError, ModuleNotFoundError):\n    pass\n",
      "m/b.py": "try:\n    from . import _s\nexcept Exception:\n    _s = None\n"},
     "fallback: pure Python (m/__init__.py, m/b.py import it guarded)"),
    ({"m/_s" + NATIVE: "", "m/_s.py": ""}, "fallback: pure Python (m/_s.py takes its place)"),
    ({"_s.pyd": "", "m.py": "import contextlib\nwith contextlib.suppress(ImportError):\n    import _s\n"},
     "fallback: pure Python (m.py imports it guarded)"),
    ({"_s.so": "", "m.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import _s\nelse:\n"
      "    try:\n        import _s\n    except:\n        pass\n"}, "fallback: pure Python (m.py imports it guarded)"),
    # What is caught has a name (zope.interface).
    ({"_s.so": "", "m.py": "def f():\n    catch = () if strict() else (ValueError, ImportError)\n"
      "    try:\n        import _s\n    except catch:\n        pass\n"},
     "fallback: pure Python (m.py imports it guarded)"),
    ({"_s.so": "", "m.py": "catch = ValueError\ntry:\n    import _s\nexcept catch:\n    pass\n"},
     "no fallback found: importing _s will fail"),
    ({"_s.so": "", "m.py": "try:\n    import _s\nexcept unknown:\n    pass\n"},
     "no fallback found: importing _s will fail"),
    # Guarded at one remove: what imports it may be missing too.
    ({"m/_s.so": "", "m/c.py": "from m._s import *\n", "unused.py": "import m.c\n",
      "m/__init__.py": "try:\n    from .c import *\nexcept ImportError:\n    pass\n"},
     "fallback: pure Python (m/__init__.py imports it guarded)"),
    ({"m/_s.so": "", "m/__init__.py": "from ._s import x\n"}, "no fallback found: importing m._s will fail"),
    ({"_s.so": "", "m.py": "try:\n    import _s\nexcept ValueError:\n    pass\n"},
     "no fallback found: importing _s will fail"),
    ({"_s.so": "", "m.py": "try:\n    import _s\nexcept ImportError as e:\n    raise RuntimeError from e\n"},
     "no fallback found: importing _s will fail"),
    ({"_s.so": "", "m.py": "try:\n    pass\nexcept ImportError:\n    import _s\n"},
     "no fallback found: importing _s will fail"),
    ({"_s.so": "", "m.py": "try:\n    def f():\n        import _s\nexcept ImportError:\n    pass\n"},
     "no fallback found: importing _s will fail"),
    ({"_s.so": "", "a.py": "try:\n    import _s\nexcept ImportError:\n    pass\n", "b.py": "def f():\n    import _s\n"},
     "no fallback found: importing _s will fail"),
    ({"m/_s.so": "", "m/__init__.py": ""}, "nothing packed imports m._s by name; importing it will fail"),
    ({"m.libs/libx-1.so.3": ""}, "a native library: whatever loads it will fail"),
    ({"x.dylib": "", "deep.py": "import x\ny = " + "+".join("1" * 2000)}, "no fallback found: importing x will fail"),
])
def test_native_extensions(pack, folder, files, expected):
    native = next(iter(files))
    packages = folder("packages", files)
    out = pack(folder("shop", {"app.py": "app = 1"}), "--with", packages)
    found = members(out)
    assert f"site/{native}" not in found
    assert found["limpet/left-out"].decode() == f"site/{native}\t{expected}\n"
    kind = "left out" if expected.startswith("fallback") else "warning"
    assert f"{kind}: native extension {native}: {expected}" in pack.report.splitlines()


@pytest.mark.parametrize("files, warned", [({"certifi/__init__.py": ""}, True),
                                           ({"certifi/__init__.py": "", "certifi/cacert.pem": ""}, False)])
def test_certifi_without_its_bundle(pack, folder, files, warned):
    pack(folder("shop", {"app.py": "app = 1"}), "--with", folder("packages", files))
    assert ("warning: certifi is packed without its bundle" in pack.report) == warned


def test_native_extension_of_the_application(pack, folder):
    out = pack(folder("shop", {"app.py": "import fast\napp = 1", "fast.so": ""}))
    assert members(out)["limpet/left-out"] == b"app/fast.so\tno fallback found: importing fast will fail\n"


@pytest.mark.parametrize("app, survived", [
    ("import m.c", False), ("import m", True), ("from m import c", False), ("import m._s", False),
    ("try:\n    from m import c\nexcept ImportError:\n    pass", True),
])
def test_native_extension_that_the_application_needs(pack, folder, app, survived):
    packages = folder("packages", {
        "m/_s.so": "", "m/c.py": "from m._s import *\n",
        "m/__init__.py": "try:\n    from .c import *\nexcept ImportError:\n    pass\n"})
    pack(folder("shop", {"app.py": app + "\napp = 1"}), "--with", packages)
    assert ("fallback: pure Python" in pack.report) == survived
    assert ("importing m._s will fail" in pack.report) != survived


def test_sources_that_do_not_compile(pack, folder):
    shop = folder("shop", {"app.py": "app = 1", "old.py": "print 'x'\n", "nul.py": b"a\0b", "latin.py": b"# \xe9\n",
                           "cookie.py": b"# coding: latin-1\nx = '\xe9'\n", "warns.py": "x = '\\d'\nassert (1, 2)\n"})
    out = pack(shop)
    with zipfile.ZipFile(out) as archive:
        compiled = {name for name in archive.namelist() if name.startswith("app/__pycache__")}
        assert archive.read("app/old.py") == b"print 'x'\n"
    assert compiled == {f"app/__pycache__/{name}.cpython-314.pyc" for name in ("app", "cookie", "warns")}
    report = pack.report.splitlines()[:-1]
    assert [line.partition(" does not compile: ")[0] for line in report] == [
        "warning: latin.py", "warning: nul.py", "warning: old.py"]
    assert report[2].endswith("(line 1)")


# --- The target ---


@pytest.mark.parametrize("files, expected", [
    ({"app.py": "app = 1", "wsgi.py": "app = 1"}, "app:app"),
    ({"app.py": "x = 1", "wsgi.py": "application = 1"}, "wsgi:application"),
    ({"main.py": "application = 1\napp = 2"}, "main:app"),
    ({"application.py": "async def app(scope): pass", "server.py": "app = 1"}, "application:app"),
    ({"server.py": "class app: pass"}, "server:app"),
    ({"app.py": "from shop import application as app", "shop/__init__.py": ""}, "app:app"),
    ({"app.py": "import app"}, "app:app"),
    ({"app.py": "a, (b, app) = f()"}, "app:app"),
    ({"app.py": "app: object = f()"}, "app:app"),
    ({"app.py": "if x:\n    try:\n        app = 1\n    except E:\n        pass"}, "app:app"),
    ({"app.py": "with f() as app:\n    pass"}, "app:app"),
    ({"app.py": "app: object\ndef f():\n    app = 1", "main.py": "app = 1"}, "main:app"),
    ({"app.py": "app.x = 1\napp[1] = 2\nclass C:\n    app = 1", "main.py": "app = 1"}, "main:app"),
    ({"app.py": "def", "main.py": "app = 1"}, "main:app"),
    ({"shop/__init__.py": "", "shop/wsgi.py": "application = 1", "manage.py": ""}, "shop.wsgi:application"),
    ({"shop/__init__.py": "app = 1", "x.py": "", "data/y.py": ""}, "shop:app"),
    ({"shop/__init__.py": "app = 1", "shop/app.py": "app = 1"}, "shop.app:app"),
    ({"app/__init__.py": "app = 1"}, "app:app"),
])
def test_target_found(pack, folder, files, expected):
    assert settings(pack(folder("shop", files))) == f"target = {expected}\n"


@pytest.mark.parametrize("files", [
    {"shop.py": "app = 1", "other.py": ""}, {"app.py": "x = 1"}, {"app.py": "from x import *"},
    {"a/__init__.py": "", "b/__init__.py": ""}, {"sub/app.py": "app = 1"}, {"x.txt": ""},
])
def test_target_not_found(refuse, folder, files):
    shop = folder("shop", files)
    assert refuse(shop) == (f"{shop}: no application found: none of app.py, wsgi.py, main.py, application.py, server.py, "
                            "asgi.py defines app or application, an instance of Flask or the like, create_app or make_app; "
                            "say where it is: --app MODULE:ATTR")


@pytest.mark.parametrize("app, warned", [
    ("shop:web", False), ("shop", True), ("shop.views:app", False), ("shop.views", False), ("shop:make()", False),
    ("shop:web.wsgi_app", False), ("shop:missing", True), ("lazy:anything", False), ("star:anything", False),
    ("package:app", False), ("broken:app", False),
])
def test_app_given(pack, folder, app, warned):
    shop = folder("src", {"shop/__init__.py": "web = 1\ndef make(): pass", "shop/views.py": "app = 1", "app.py": "app = 1",
                          "lazy.py": "def __getattr__(n): pass", "star.py": "from x import *", "broken.py": "def"})
    out = pack(shop, "--app", app, "--with", folder("site", {"package/__init__.py": "app = 1"}))
    assert settings(out) == f"target = {app}\n"
    assert ("does not seem to define" in pack.report) == warned


def test_app_given_wrongly(refuse, folder):
    shop = folder("shop", {"app.py": "app = 1"})
    assert refuse(shop, "--app", "none:app") == f"--app none:app: there is no module none in {shop}"
    assert refuse(shop, "--app", "app.py") == f"--app app.py: there is no module app.py in {shop}"
    assert refuse(shop, "--app", "a/b:app") == "--app a/b:app: a/b is not the name of a module"
    packages = folder("packages", {"x.py": ""})
    line = refuse(shop, "--app", "none", "--with", packages)
    assert line == f"--app none: there is no module none in {shop} or the packages"


def test_package_as_source(pack, folder):
    shop = folder("shop", {"__init__.py": "", "app.py": "app = 1"})
    pack(shop)
    assert pack.report.startswith(f"warning: {shop} is a package itself: ")


# --- Requirements ---


@pytest.fixture(scope="session")
def real_limpet(tmp_path_factory, base, python):
    """A binary that is the build's CPython, with the pip that comes with it."""
    folder = tmp_path_factory.mktemp("real")
    wheels = os.path.join(python.prefix, "lib/python3.14/ensurepip/_bundled")
    wheel = os.path.join(wheels, os.listdir(wheels)[0])
    with open(python.path, "rb") as file:
        done = base(folder / "limpet", "--wheel", wheel, elf=file.read())
    assert done.returncode == 0, done.stderr
    return folder / "limpet"


def make_wheel(path, name):
    """A wheel with a module and a command."""
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", "def main(): pass\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/entry_points.txt", f"[console_scripts]\n{name} = {name}:main\n")
        wheel.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")


@pytest.fixture
def pip_environment(real_limpet, tmp_path):
    """What the static interpreter needs to run pip as limpet would: pip from its own archive, and an import of ctypes that
    fails as pip expects it to."""
    shims = tmp_path / "shims"
    shims.mkdir()
    (shims / "ctypes.py").write_text("raise ImportError\n")
    return {"PYTHONPATH": f"{shims}:{real_limpet}/lib", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path),
            "PIP_CONFIG_FILE": os.devnull}


def test_requirements(pack, folder, real_limpet, pip_environment, tmp_path):
    make_wheel(tmp_path, "wares")
    (tmp_path / "requirements.txt").write_text("wares==1.0\n")
    shop = folder("shop", {"app.py": "app = 1"})
    out = pack(shop, "--requirements", tmp_path / "requirements.txt", binary=real_limpet, env=pip_environment)
    found = members(out)
    assert found["site/wares.py"] == b"def main(): pass\n"
    assert b"wares.py" in found["site/wares-1.0.dist-info/RECORD"]
    assert b"bin/wares" not in found["site/wares-1.0.dist-info/RECORD"]
    assert not any(name.startswith("site/bin") for name in found)
    again = tmp_path / "moved"
    shutil.copyfile(real_limpet, again)
    again.chmod(0o755)
    second = pack(shop, "--requirements", tmp_path / "requirements.txt", binary=again, output=tmp_path / "second",
                  env={**pip_environment, "PYTHONPATH": f"{tmp_path}/shims:{again}/lib"})
    assert second.read_bytes() == out.read_bytes()


def test_no_requirements(pack, folder, real_limpet, pip_environment, tmp_path):
    (tmp_path / "requirements.txt").write_text("# none\n")
    out = pack(folder("shop", {"app.py": "app = 1"}), "--requirements", tmp_path / "requirements.txt",
               binary=real_limpet, env=pip_environment)
    assert set(members(out)) == {"app/app.py", "limpet/settings"}


def test_requirements_that_fail(refuse, folder, real_limpet, pip_environment, tmp_path):
    shop = folder("shop", {"app.py": "app = 1"})
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("no-such-wares\n")
    line = refuse(shop, "--requirements", wanted, binary=real_limpet, env=pip_environment)
    assert line.startswith(f"--requirements {wanted}: pip: No matching distribution found for no-such-wares")
    assert refuse(shop, "--requirements", tmp_path / "none") == f"--requirements {tmp_path}/none: no such file"


def test_requirements_in_an_appliance(pack, refuse, folder, tmp_path):
    shop = folder("shop", {"app.py": "app = 1"})
    (tmp_path / "requirements.txt").write_text("x\n")
    packed = pack(shop)
    line = refuse(shop, "--requirements", tmp_path / "requirements.txt", binary=packed, output=tmp_path / "second")
    assert line == ("--requirements: there is no pip in this binary, as in every appliance: pack with limpet itself")
