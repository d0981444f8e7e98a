"""A packed binary: what it carries, and that it is itself wherever it is started."""

import http.client
import json
import os
import pathlib
import re
import shutil
import ssl
import subprocess
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

EXPLORER = '''
import importlib.metadata, importlib.resources, json, os, pathlib, pkgutil, sys
import carried, shape

HERE = pathlib.Path(__file__).resolve().parent

def look():
    data = HERE / "carried" / "data.txt"
    yield "file", __file__
    yield "open", open(data).read()
    yield "pathlib", data.read_text()
    yield "stat", [data.is_file(), data.stat().st_size, data.parent.is_dir(), (HERE / "nothing").exists()]
    yield "listdir", sorted(name for name in os.listdir(HERE) if not name.startswith("__"))
    yield "walk", sorted(os.path.relpath(os.path.join(root, name), HERE)
                         for root, _, names in os.walk(HERE) for name in names if not name.endswith(".pyc"))
    yield "glob", sorted(path.name for path in HERE.glob("**/*.txt"))
    yield "resources", importlib.resources.files(carried).joinpath("data.txt").read_text()
    yield "get_data", pkgutil.get_data("carried", "data.txt").decode()
    yield "iter_modules", sorted(module.name for module in pkgutil.iter_modules([str(HERE)]))
    yield "metadata", importlib.metadata.version("shape")
    yield "namespace", __import__("spaced.inner").inner.value
    yield "executable", sys.executable
    try:
        open(HERE / "new.txt", "w")
    except OSError as error:
        yield "write", error.strerror

def app(environ, start_response):
    body = json.dumps(dict(look())).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
'''


@pytest.fixture(scope="module")
def explorer(packed, tmp_path_factory):
    """An application with data files, a namespace package and a package with metadata beside it."""
    folder = tmp_path_factory.mktemp("explorer")
    (folder / "app.py").write_text(EXPLORER)
    (folder / "manage.py").write_text("import sys, app\nprint('managing', sys.argv[1:], app.carried.__name__)\n")
    (folder / "carried").mkdir()
    (folder / "carried/__init__.py").write_text("")
    (folder / "carried/data.txt").write_text("carried along")
    (folder / "spaced").mkdir()
    (folder / "spaced/inner.py").write_text("value = 'found without __init__'")
    packages = tmp_path_factory.mktemp("packages")
    (packages / "shape.py").write_text("sides = 4")
    (packages / "shape-1.2.dist-info").mkdir()
    (packages / "shape-1.2.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: shape\nVersion: 1.2\n")
    return packed(folder, "--with", packages, "--app", "app:app", "--workers", "1", name="explorer")


@pytest.mark.unvalidated(reason="looks at what was packed")
def test_members_are_files_to_every_library(explorer, serve):
    seen = json.loads(serve(binary=explorer).get("/").read())
    inside = f"{explorer}/app"
    assert seen == {
        "file": f"{inside}/app.py", "open": "carried along", "pathlib": "carried along",
        "stat": [True, 13, True, False], "listdir": ["app.py", "carried", "manage.py", "spaced"],
        "walk": ["app.py", "carried/__init__.py", "carried/data.txt", "manage.py", "spaced/inner.py"],
        "glob": ["data.txt"], "resources": "carried along", "get_data": "carried along",
        "iter_modules": ["app", "carried", "manage"], "metadata": "1.2", "namespace": "found without __init__",
        "executable": str(explorer), "write": "Read-only file system",
    }


def test_packed_script(explorer, run, tmp_path):
    done = run("python", "manage.py", "migrate", binary=explorer, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "managing ['migrate'] carried\n"), done.stderr


def test_application_is_importable(explorer, run):
    done = run("python", "-c", "import carried, shape; print(shape.sides)", binary=explorer)
    assert (done.returncode, done.stdout) == (0, "4\n"), done.stderr


def test_started_beside_a_folder_of_the_same_name(explorer, serve, tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app/__init__.py").write_text("raise SystemExit('the wrong one')")
    (tmp_path / "carried.py").write_text("raise SystemExit('the wrong one')")
    assert serve(binary=explorer, folder=tmp_path).get("/").status == 200


def test_moved_renamed_and_read_only(explorer, serve, tmp_path):
    moved = tmp_path / "a name with spaces ünd ümlauts"
    shutil.copy(explorer, moved)
    moved.chmod(0o555)
    assert json.loads(serve(binary=moved).get("/").read())["file"] == f"{moved}/app/app.py"


def test_command_line_is_stronger_than_what_is_packed(explorer, serve, run):
    server = serve("--workers", 2, binary=explorer)
    assert len(server.workers()) == 2
    printed = run("--print-config", binary=explorer).stdout
    assert "workers = 1" in printed and "packed" in printed


def test_same_input_gives_the_same_bytes(limpet, tmp_path):
    outputs = []
    for number, environment in enumerate(({"PYTHONHASHSEED": "1", "TZ": "UTC"}, {"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo"})):
        source = tmp_path / f"copy{number}"
        shutil.copytree(ROOT / "apps/notes", source)
        os.utime(source / "app.py", (number * 1e9, number * 1e9))
        output = tmp_path / f"out{number}"
        subprocess.run([limpet, "pack", source, "-o", output], check=True, capture_output=True,
                       env={**os.environ, **environment}, umask=0o077 if number else 0o022)
        outputs.append(output.read_bytes())
    assert outputs[0] == outputs[1]


def test_standard_tools_read_it(explorer):
    with zipfile.ZipFile(explorer) as archive:
        assert archive.testzip() is None
        assert archive.read("app/carried/data.txt") == b"carried along"


@pytest.mark.unvalidated(reason="looks at what was packed")
def test_inspect(explorer, run):
    done = run("inspect", binary=explorer)
    assert done.returncode == 0, done.stderr
    for part in ("app:app", "workers = 1", "shape", "1.2", "python", "3.14", "libmicrohttpd", "sha256"):
        assert part in done.stdout
    assert "pip" not in done.stdout
    assert "PYTHON SOFTWARE FOUNDATION LICENSE" in run("inspect", "--licences", binary=explorer).stdout


@pytest.mark.unvalidated(reason="looks at what was packed")
def test_inspect_another_file(explorer, run):
    done = run("inspect", explorer)
    assert done.returncode == 0 and "app:app" in done.stdout


@pytest.mark.unvalidated(reason="looks at what was packed")
def test_ca_roots(limpet, explorer, run, tmp_path):
    """The file that every binary carries is one which an ordinary Python's ssl takes, and inspect tells its age."""
    pinned = re.search(r"^ca-certificates +(\S+)", (ROOT / "toolchain/sources.lock").read_text(), re.MULTILINE)[1]
    assert f"  ca-certificates {pinned} MPL-2.0\n" in run("version").stdout
    for binary in (limpet, explorer):
        with zipfile.ZipFile(binary) as archive:
            text = archive.read("lib/ca-roots.pem").decode("ascii")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=text)
        found = re.search(r"\nCA roots\n  (\d+), NSS \d+\.\d+, of \d{4}-\d\d-\d\d( \(\d+ days? old\))?\n",
                          run("inspect", binary=binary).stdout)
        count = int(found[1])
        assert context.cert_store_stats() == {"x509": count, "x509_ca": count, "crl": 0} and count >= 100
        (tmp_path / "roots.pem").write_text(text)  # as operators may take it out for other programs
        done = subprocess.run(["openssl", "storeutl", "-noout", "-certs", tmp_path / "roots.pem"], capture_output=True,
                              text=True, check=False)
        assert (done.returncode, done.stderr, done.stdout.splitlines()[-1]) == (0, "", f"Total found: {count}")
        assert "Mozilla Public License Version 2.0" in run("inspect", "--licences", binary=binary).stdout


def test_ca_roots_are_a_file(explorer, run):
    program = "import sys; print(open(sys.executable + '/lib/ca-roots.pem').read().count('BEGIN CERT'))"
    done = run("python", "-c", program, binary=explorer)
    assert done.returncode == 0 and int(done.stdout) >= 100, done.stderr


@pytest.mark.unsanitized(reason="it is about pip")
def test_requirements_without_an_index(limpet, tmp_path, run):
    """pip is inside: it installs a wheel that lies in a folder."""
    wheel = tmp_path / "wheels/tiny-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "value = 'from the wheel'")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    (tmp_path / "requirements.txt").write_text(f"--no-index\n--find-links {wheel.parent}\ntiny==1.0\n")
    (tmp_path / "source").mkdir()
    (tmp_path / "source/app.py").write_text("import tiny\ndef app(environ, start_response): pass\n")
    done = run("pack", tmp_path / "source", "--requirements", tmp_path / "requirements.txt", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    checked = run("python", "-c", "import tiny; print(tiny.value)", binary=tmp_path / "out")
    assert checked.stdout == "from the wheel\n", checked.stderr
    (tmp_path / "requirements.txt").write_text("--no-index\nno-such-package\n")
    failed = run("pack", tmp_path / "source", "--requirements", tmp_path / "requirements.txt", "-o", tmp_path / "out")
    assert failed.returncode == 1 and "requirements.txt" in failed.stderr.splitlines()[-1], failed.stderr


def test_hello_answers(packed, serve):
    server = serve(binary=packed(ROOT / "apps/hello", name="hello"))
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/")
    assert connection.getresponse().read() == b"Hello, World!"
    connection.close()
