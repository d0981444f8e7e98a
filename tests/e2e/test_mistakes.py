"""What an operator can get wrong: one clear line that names the thing and the way out, and the right exit status."""

import os
import pathlib
import re
import shutil
import socket
import struct
import zipfile

import pytest

pytestmark = pytest.mark.unvalidated(reason="nearly nothing here is ever called")

HELLO = pathlib.Path(__file__).resolve().parents[2] / "apps/hello"


def check(done, status, *patterns):
    """Exit status, one line on standard error, nothing half-started."""
    assert done.returncode == status, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    for pattern in patterns:
        assert re.search(pattern, lines[0]), lines[0]
    assert done.stdout == ""


@pytest.mark.parametrize("arguments, status, pattern", [
    (["srve"], 2, r'unknown command "srve" \(did you mean "serve"\?\)'),
    (["serve"], 2, r"no application to serve \(write: limpet serve module:attr\)"),
    (["serve", "app", "--prot", "1"], 2, r"unknown option --prot \(did you mean --port\?\)"),
    (["serve", "app", "--port"], 2, r"--port needs a value"),
    (["serve", "app", "--port", "70000"], 2, r"--port 70000: must be between 0 and 65535"),
    (["serve", "app", "--port", "x"], 2, r"--port x: not a whole number"),
    (["serve", "app", "--workers", "0"], 2, r"--workers 0: must be between 1 and 512"),
    (["serve", "app", "--log-level", "loud"], 2, r"--log-level loud: must be one of error, warning, info, debug"),
    (["serve", "app", "--interface", "cgi"], 2, r"--interface cgi: must be one of auto, wsgi"),
    (["serve", "app", "--graceful-timeout", "3y"], 2, r"--graceful-timeout 3y: not a duration"),
    (["serve", "app", "again"], 2, r'unexpected argument "again"'),
    (["serve", "app", "--config", "/nonexistent.toml"], 1, r"/nonexistent.toml: No such file or directory"),
    (["serve", "app", "--working-dir", "/nonexistent"], 1, r"--working-dir /nonexistent: No such file or directory"),
    (["serve", "app", "--host", "nosuch.invalid"], 1, r"nosuch.invalid:8000: unknown host.*--host"),
    (["serve", "app", "--host", "192.0.2.1"], 1, r"192.0.2.1:8000: this machine has no such address.*--host"),
    (["serve", "app", "--uds", "/nonexistent/x"], 1, r"/nonexistent/x: its folder does not exist.*--uds"),
    (["serve", "app", "--uds", "/tmp/" + "x" * 200], 1, r"--uds"),
    (["serve", "app", "--listen", "127.0.0.1"], 2, r"--listen 127.0.0.1: no port \(write 127.0.0.1:8000\)"),
    (["serve", "app", "--listen", "::1:8000"], 2, r"--listen ::1:8000: an IPv6 address stands in brackets"),
    (["serve", "app", "--listen", ":70000"], 2, r"--listen :70000: the port must be a number between 0 and 65535"),
    (["serve", "app", "--listen", "/run/s"], 2, r"--listen /run/s: looks like a path \(write unix:/run/s\)"),
    (["serve", "app", "--listen", "unix:s,mode=9"], 2, r"--listen unix:s,mode=9: mode=9: .* \(write mode=0660\)"),
    (["serve", "app", "--listen", "unix:s,user=x"], 2, r'"user=x" is no setting .*mode=0660, owner=USER:GROUP'),
    (["serve", "app", "--listen", "8000", "--listen", "127.0.0.1:8000"], 2, r"the address is given twice"),
    (["serve", "app", "--listen", "8000", "--uds", "s"], 2, r"--listen and --uds exclude each other \(leave --uds out"),
    (["serve", "app", "--listen", "unix:s,owner=no-such"], 1, r'unix:s: there is no user "no-such".*owner='),
    (["serve", "app", "--listen", "nosuch.invalid:80"], 1, r"nosuch.invalid:80: unknown host.*--listen"),
    (["serve", "app", "--listen", "unix:s", "--listen", "unix:./s"], 2, r"unix:./s: unix:s of another --listen is there"),
    (["serve", "app", "--backlog", "0"], 2, r"--backlog 0: must be between 1 and 65535"),
    (["serve", "app", "--backpressure", "0"], 2, r"--backpressure 0: must be between 1 and 1000000"),
    (["serve", "app", "--http1-keep-alive=no"], 2, r"--http1-keep-alive takes no value .*--no-http1-keep-alive"),
    (["pack", str(HELLO), "-o", "out", "--listen", "x"], 2, r"--listen x: no port"),
    (["serve", "nosuch", "--port", "0"], 1, r"there is no module 'nosuch'; it was looked for in "),
    (["serve", "nosuch.py", "--port", "0"], 1, r"nosuch.py: there is no such file"),
    (["serve", "./nosuch", "--port", "0"], 1, r"./nosuch: there is no such folder or file"),
    (["serve", "/proc/self/fdinfo", "--port", "0"], 1, r"/proc/self/fdinfo: no application found.*MODULE:ATTR"),
    (["serve", "a-b:c", "--port", "0"], 1, r"'a-b' is no module name; a target looks like module:attribute"),
    (["serve", "json:nothing", "--port", "0"], 1, r"module 'json' has no 'nothing'"),
    (["serve", "os", "--port", "0"], 1, r"neither 'app' nor 'application'; give the name as os:NAME"),
    (["serve", "math:pi", "--port", "0"], 1, r"math:pi is a float, which cannot be called; give the application"),
    (["serve", "asyncio:sleep", "--port", "0"], 1, r"asyncio:sleep does not take the arguments of an asynchronous application"),
    (["check", "nosuch:app"], 1, r"there is no module 'nosuch'"),
    (["pack", "/nonexistent", "-o", "out"], 1, r"/nonexistent: no such file or folder"),
    (["pack", str(HELLO)], 2, r"no name for the binary \(write: limpet pack .* -o OUT\)"),
    (["pack", str(HELLO), "-o", "/nonexistent/x"], 1, r"there is no folder /nonexistent"),
    (["pack", str(HELLO), "-o", "out", "--port", "x"], 2, r"--port x: not a whole number"),
    (["pack", str(HELLO), "-o", "out", "--app", "nosuch:app"], 1, r"--app nosuch:app: there is no module nosuch"),
    (["pack", str(HELLO), "-o", "out", "--with", "/nonexistent"], 1, r"/nonexistent"),
    (["inspect", "/etc/passwd"], 1, r"/etc/passwd: not a limpet binary"),
    (["inspect", "/nonexistent"], 1, r"/nonexistent: No such file or directory"),
    (["help", "nosuch"], 2, r'unknown command "nosuch"'),
])
def test_one_line_and_the_status(run, tmp_path, arguments, status, pattern):
    check(run(*arguments, cwd=tmp_path), status, pattern)


@pytest.mark.parametrize("environment, pattern", [
    ({"LIMPET_PORT": "x"}, r"LIMPET_PORT"),
    ({"LIMPET_WORKERS": "many"}, r"LIMPET_WORKERS"),
    ({"LIMPET_LISTEN": "8000 x"}, r"LIMPET_LISTEN=x: no port"),
    ({"LIMPET_LISTEN": "8000", "LIMPET_PORT": "80"}, r"LIMPET_LISTEN and LIMPET_PORT exclude each other"),
])
def test_environment_is_named(run, environment, pattern):
    check(run("serve", "app", env=environment), 2, pattern)


@pytest.mark.parametrize("text, pattern", [
    ("prot = 1", r"limpet.toml.*prot.*did you mean.*port"),
    ("listen = ['8000', 'x']", r"limpet.toml: listen = x: no port"),
    ("listen = ['8000']\nport = 80", r'limpet.toml: "listen" and "port" exclude each other'),
    ("port = 99999", r"limpet.toml.*port.*between 0 and 65535"),
    ("port == 1", r"limpet.toml: not valid TOML.*line 1"),
    ("port = 2026-01-01", r"limpet.toml.*port"),
    ("host = 'a\\nb'\nport = \"1\\n2\"", r"limpet.toml.*port.*line breaks"),
])
def test_file_and_key_are_named(run, tmp_path, text, pattern):
    (tmp_path / "limpet.toml").write_text(text)
    check(run("serve", "app", "--config", tmp_path / "limpet.toml"), 2, pattern)


def test_port_in_use(run, application):
    folder = application("def app(environ, start_response): pass")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        check(run("serve", "app:app", "--port", port, "--working-dir", folder), 1,
              rf"cannot listen on 127.0.0.1:{port}: address in use by another process; choose another with --port")


def test_one_of_several_in_use(run, application, tmp_path):
    folder = application("def app(environ, start_response): pass")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        check(run("serve", "app:app", "--listen", f"unix:{tmp_path}/s", "--listen", port, "--working-dir", folder), 1,
              rf"cannot listen on 127.0.0.1:{port}: address in use by another process; choose another with --listen")
    assert not (tmp_path / "s").exists()


def test_unix_socket_of_a_running_server(run, application, serve, tmp_path):
    folder = application("def app(environ, start_response): pass")
    path = tmp_path / "s"
    serve("app:app", "--uds", path, "--working-dir", folder, port=None)
    check(run("serve", "app:app", "--uds", path, "--working-dir", folder), 1, rf"{path}.*in use by another process")
    (tmp_path / "file").write_text("precious")
    check(run("serve", "app:app", "--uds", tmp_path / "file", "--working-dir", folder), 1, str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "precious"


def test_application_that_fails_to_import(run, application):
    folder = application("import json\n\ndef broken():\n    return 1 / 0  # here\n\nbroken()\n")
    done = run("serve", "app:app", "--port", 0, "--working-dir", folder)
    assert done.returncode == 1
    assert "return 1 / 0  # here" in done.stderr and done.stderr.count("Traceback") == 1
    assert "<frozen limpet" not in done.stderr, "our own frames are in the traceback"
    assert done.stderr.splitlines()[-1].startswith("limpet: app:app: the application failed to import")


def test_application_that_exits_at_import(run, application):
    folder = application("import sys; sys.exit('no licence')")
    done = run("serve", "app:app", "--port", 0, "--working-dir", folder)
    assert done.returncode == 1 and "SystemExit: no licence" in done.stderr


def test_missing_module_of_the_application_is_its_own_fault(run, application):
    folder = application("import missing_helper")
    done = run("serve", "app:app", "--port", 0, "--working-dir", folder)
    assert done.returncode == 1
    assert "import missing_helper" in done.stderr and "No module named 'missing_helper'" in done.stderr


def test_check(run, application):
    folder = application("def app(environ, start_response): pass")
    done = run("check", "app:app", "--working-dir", folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok: wsgi app:app\n", "")
    check(run("check", "app:nothing", "--working-dir", folder), 1, r"module 'app' has no 'nothing'")


# --- A damaged binary: found at every start, said in one line, never a crash ---


@pytest.fixture
def hello(packed, tmp_path):
    """A packed binary to damage."""
    path = tmp_path / "hello"
    shutil.copy(packed(HELLO, name="hello"), path)
    return path


def end_record(data):
    """Where the end-of-central-directory record and the central directory begin."""
    end = data.rindex(b"PK\5\6")
    return end, struct.unpack_from("<L", data, end + 16)[0]


def rewrite(path, change):
    data = bytearray(path.read_bytes())
    path.write_bytes(change(data) or data)


def truncated_in_archive(data):
    return data[:end_record(data)[1] + 20]


def truncated_record(data):
    return data[:-1]


def trailing_bytes(data):
    return data + b"x"


def without_archive(data):
    with_sections = struct.unpack_from("<Q", data, 40)[0] + data[58] * data[60]
    return data[:with_sections]


def four_gigabyte_offset(data):
    struct.pack_into("<L", data, end_record(data)[0] + 16, 0xFFFFFFFF)


def member_offset_beyond_the_file(data):
    struct.pack_into("<L", data, end_record(data)[1] + 42, 0xFFFFFFF0)


def count_too_large(data):
    struct.pack_into("<HH", data, end_record(data)[0] + 8, 60000, 60000)


def renamed(old, new):
    assert len(old) == len(new)

    def change(data):
        start = data.rindex(old, end_record(data)[1])
        data[start:start + len(old)] = new

    return change


@pytest.mark.parametrize("change", [
    truncated_in_archive, truncated_record, trailing_bytes, without_archive, four_gigabyte_offset,
    member_offset_beyond_the_file, count_too_large,
    pytest.param(renamed(b"app/app.py", b"/pp/app.py"), id="absolute name"),
    pytest.param(renamed(b"app/app.py", b"../app.pyx"), id="name that climbs"),
    pytest.param(renamed(b"app/app.py", b"app/../app"), id="name with a step up inside"),
    pytest.param(renamed(b"app/app.py", b"app\\app.py"), id="backslash"),
    pytest.param(renamed(b"app/app.py", b"app/a\0p.py"), id="NUL in a name"),
])
def test_damaged_archive(hello, run, change):
    rewrite(hello, change)
    for command in ([], ["version"], ["python", "-c", "1"]):
        check(run(*command, binary=hello), 1, r"hello: (damaged|no) archive")


def test_duplicate_names(hello, run):
    with zipfile.ZipFile(hello, "a") as archive, pytest.warns(UserWarning):
        archive.writestr("limpet/settings", "target = evil:app\n")
    check(run(binary=hello), 1, r"damaged archive: .*(order|twice|duplicate)")


def test_damaged_member(hello, run):
    with zipfile.ZipFile(hello) as archive:
        member = archive.getinfo("app/__pycache__/app.cpython-314.pyc")

    def flip(data):
        name, extra = struct.unpack_from("<HH", data, member.header_offset + 26)
        data[member.header_offset + 30 + name + extra + 200] ^= 0xFF

    rewrite(hello, flip)
    done = run("--port", "0", binary=hello)
    assert done.returncode == 1, done.stderr
    assert re.search(r"app/__pycache__/app.cpython-314.pyc.*(CRC|check sum)|damaged", done.stderr), done.stderr


def test_bad_packed_setting(hello, run):
    with zipfile.ZipFile(hello) as archive:
        settings = archive.read("limpet/settings")
    assert os.path.getsize(hello) > 0 and b"app:app" in settings
    done = run("--print-config", binary=hello)
    assert done.returncode == 0 and "app:app" in done.stdout
