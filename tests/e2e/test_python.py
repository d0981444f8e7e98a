"""limpet python: the interpreter inside behaves as python does."""

import os
import pty
import re
import select
import subprocess

import pytest


@pytest.fixture
def python(run):
    def run_python(*arguments, **options):
        done = run("python", *arguments, **options)
        return done.returncode, done.stdout, done.stderr

    return run_python


def code(python, source, *arguments, **options):
    """The output of source run by -c, which must succeed in silence."""
    status, out, err = python("-c", source, *arguments, **options)
    assert (status, err) == (0, ""), err
    return out


def test_c(python):
    assert code(python, "import sys; print(sys.argv)", "a", "-b") == "['-c', 'a', '-b']\n"


def test_m(python, tmp_path):
    (tmp_path / "mine.py").write_text("import sys; print(__name__, sys.argv[1:])")
    assert python("-m", "mine", "x", cwd=tmp_path)[:2] == (0, "__main__ ['x']\n")
    assert python("-m", "json", input='{"b": 1}')[:2] == (0, '{\n    "b": 1\n}\n')


def test_file_and_folder(python, tmp_path):
    (tmp_path / "__main__.py").write_text("import sys, beside; print(beside.name, sys.argv[1:])")
    (tmp_path / "beside.py").write_text("name = 'beside'")
    assert python(tmp_path / "__main__.py", "1")[:2] == (0, "beside ['1']\n")
    assert python(tmp_path, "2")[:2] == (0, "beside ['2']\n")


def test_stdin(python):
    assert python(input="print(6 * 7)")[:2] == (0, "42\n")
    assert python("-", "x", input="import sys; print(sys.argv)")[:2] == (0, "['-', 'x']\n")


def test_i(python):
    status, out, _ = python("-i", "-c", "x = 20", input="print(x + 1)\n")
    assert (status, out) == (0, "21\n")


def test_exit_status(python):
    assert python("-c", "raise SystemExit(7)")[0] == 7
    assert python("-c", "1/0")[0] == 1
    assert python("-c", "raise SystemExit(-1)") == (255, "", "")
    assert python("no_such_file.py")[0] == 2


def test_options_and_environment(python):
    assert python("-V")[1].startswith("Python 3.14.")
    assert python("-O", "-c", "assert 0; print(__debug__)")[1] == "False\n"
    assert python("-c", "import extra", env={"PYTHONPATH": "/nonexistent"})[0] == 1
    assert python("-X", "importtime", "-c", "import json")[2].count("json") > 1
    assert "EncodingWarning" in python("-X", "warn_default_encoding", "-c", "open('/dev/null')")[2]
    assert code(python, "import io, sys; print(sys.flags.utf8_mode, io.text_encoding(None))",
                env={"PYTHONUTF8": "0"}) == "0 locale\n"


def test_pythonpath(python, tmp_path):
    (tmp_path / "extra.py").write_text("print('found')")
    assert python("-c", "import extra", env={"PYTHONPATH": str(tmp_path)})[1] == "found\n"
    assert python("-E", "-c", "import extra", env={"PYTHONPATH": str(tmp_path)})[0] == 1
    assert python("-c", "import extra", cwd="/", env={"PYTHONPATH": f"/nonexistent:{tmp_path}"})[1] == "found\n"


def test_own_module_hides_one_of_the_standard_library(python, tmp_path):
    for name in ("calendar", "resource", "time"):
        (tmp_path / f"{name}.py").write_text("mine = True")
    (tmp_path / "queue").mkdir()
    (tmp_path / "main.py").write_text(
        "import calendar, queue, resource, time\n"
        "print([hasattr(module, 'mine') for module in (calendar, resource, time)], queue.Queue.__name__)")
    assert code(python, "import main", cwd=tmp_path) == "[True, True, False] Queue\n"
    assert python("-m", "main", cwd=tmp_path)[1] == "[True, True, False] Queue\n"
    assert python("-P", "-c", "import calendar; calendar.mine", cwd=tmp_path)[0] == 1


def test_executable_is_python_to_its_children(python):
    assert code(python, "import subprocess, sys; print(subprocess.check_output([sys.executable, '-c', 'print(1)']))"
                ) == "b'1\\n'\n"


def test_symlink_named_python(limpet, tmp_path):
    (tmp_path / "python3").symlink_to(limpet)
    assert subprocess.check_output([tmp_path / "python3", "-c", "print(2)"]) == b"2\n"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(python, tmp_path, method):
    (tmp_path / "pool.py").write_text(
        "import multiprocessing as mp\n"
        "def square(x): return x * x\n"
        "if __name__ == '__main__':\n"
        f"    with mp.get_context('{method}').Pool(2) as pool: print(pool.map(square, [1, 2, 3]))\n")
    status, out, err = python(tmp_path / "pool.py")
    assert (status, out) == (0, "[1, 4, 9]\n"), err


@pytest.mark.parametrize("source, expected", [
    ("import zoneinfo, datetime as d; print(d.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin')))",
     "2026-07-01 00:00:00+02:00"),
    ("import zoneinfo; zoneinfo.reset_tzpath(()); print(len(zoneinfo.available_timezones()) > 400,"
     " zoneinfo.ZoneInfo('Asia/Tokyo'))", "True Asia/Tokyo"),
    ("import sqlite3; d = sqlite3.connect(':memory:'); d.execute('create virtual table t using fts5(x)');"
     " print(d.execute('select sqrt(16)').fetchone())", "(4.0,)"),
    ("import ctypes; print(ctypes.CDLL(None).strlen(b'four'))", "4"),
    ("import ctypes; print(ctypes.pythonapi.Py_IncRef is not None)", "True"),
    ("import ctypes; f = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x + 1); print(f(1))", "2"),
    ("from decimal import *; getcontext().prec = 30; print(Decimal(1) / 7)", "0.142857142857142857142857142857"),
    ("import compression.zstd as z; print(z.decompress(z.compress(b'x' * 1000)) == b'x' * 1000)", "True"),
    ("import bz2, lzma, zlib; print(all(m.decompress(m.compress(b'abc')) == b'abc' for m in (bz2, lzma, zlib)))",
     "True"),
    ("import hashlib; print(hashlib.sha256(b'').hexdigest()[:8], hashlib.blake2b(b'').hexdigest()[:8])",
     "e3b0c442 786a02f7"),
    ("from hashlib import *; print(pbkdf2_hmac('sha1', b'password', b'salt', 4096).hex())",  # RFC 6070
     "4b007901b765489abead49d926f721d065a429c1"),
    ("import hashlib; print(hashlib.pbkdf2_hmac('SHA256', b'password', salt=b'salt', iterations=2, dklen=70).hex())",
     "ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43"  # OpenSSL's
     "830651afcb5c862f0b249bd031f7a67520d136470f5ec271ece91c07773253d93e676b079cae"),
    ("import hashlib\nfor arguments in (('sha256', b'', b'', 0), ('none', b'', b'', 1), ('md5', b'', b'', 1, 0)):\n"
     "  try: hashlib.pbkdf2_hmac(*arguments)\n  except ValueError: print('refused', end=' ')\nprint()",
     "refused refused refused "),
    ("import _pyio, io; print(_pyio.BufferedReader(io.BytesIO(b'ab')).read())", "b'ab'"),
    ("import threading; t = threading.Thread(target=lambda: print(1)); t.start(); t.join()", "1"),
    ("import asyncio; print(asyncio.run(asyncio.sleep(0, 'slept')))", "slept"),
    ("import subprocess; print(subprocess.run(['/bin/echo', 'hi'], capture_output=True).stdout)", "b'hi\\n'"),
    ("import xml.etree.ElementTree as e; print(e.fromstring('<a><b/></a>')[0].tag)", "b"),
    ("import uuid, secrets, tempfile, socket, email, http.server, unittest.mock, pydoc; print('ok')", "ok"),
    ("import socket; print(socket.getaddrinfo('localhost', 80, type=socket.SOCK_STREAM)[0][4][1])", "80"),
    ("import sys; print(sys.getfilesystemencoding(), sys.stdout.encoding)", "utf-8 utf-8"),
    ("import sys; sys.setrecursionlimit(20000)\ndef f(n): return n and 1 + f(n - 1)\nprint(f(15000))", "15000"),
    ("import re, threading\nr = []\ndef f():\n  try: re.compile('(' * 3000 + ')' * 3000)\n"
     "  except RecursionError: pass\n  r.append(1)\nt = threading.Thread(target=f); t.start(); t.join(); print(r)", "[1]"),
])
def test_standard_library(python, source, expected):
    assert code(python, source) == expected + "\n"


def test_traceback_shows_source(python, tmp_path):
    (tmp_path / "broken.py").write_text("def f():\n    return 1 / 0  # the reason\n\nf()\n")
    status, _, err = python(tmp_path / "broken.py")
    assert status == 1 and "return 1 / 0  # the reason" in err


class Terminal:
    """A child on a terminal of its own."""

    def __init__(self, *command):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm", PYTHON_HISTORY="/dev/null", NO_COLOR="1")
            os.execv(command[0], list(map(str, command)))
        self.text = ""

    def expect(self, pattern):
        while not re.search(pattern, self.text):
            ready, _, _ = select.select([self.fd], [], [], 60)
            assert ready, f"{pattern!r} did not come: {self.text!r}"
            try:
                self.text += os.read(self.fd, 65536).decode(errors="replace")
            except OSError:
                self.text += "<closed>"
                assert re.search(pattern, self.text), self.text

    def type(self, text):
        self.text = ""
        os.write(self.fd, text.encode())


def test_repl_edits_lines(limpet):
    terminal = Terminal(limpet, "python")
    terminal.expect(">>> ")
    # Type 1234, go two to the left (Ctrl-B), put a '+' in: 12+34. Needs a line editor.
    terminal.type("1234\x02\x02+\r")
    terminal.expect(r"\b46\b")
    terminal.type("\x10")  # Ctrl-P, history: the same line again
    terminal.expect(r"12\+34")
    terminal.type("\r")
    terminal.expect(r"\b46\b")
    terminal.type("exit\r")
    terminal.expect("<closed>")
    assert os.waitstatus_to_exitcode(os.waitpid(terminal.pid, 0)[1]) == 0
    os.close(terminal.fd)


def test_ssl(python):
    """Importing it and making contexts, as anyio, httpx and many more do, says nothing (test_ssl_module.py has the rest)."""
    source = "import ssl\ncontext = ssl.create_default_context()\ncontext.check_hostname = False\n" \
             "context.options |= ssl.OP_NO_TICKET\ncontext.minimum_version = ssl.TLSVersion.TLSv1_3\n" \
             "print(context.protocol.name, context.minimum_version.name, ssl.Purpose.SERVER_AUTH.shortname)\n" \
             "print(ssl.OPENSSL_VERSION.startswith('OpenSSL 3.'), 'mbedTLS 3.' in ssl.OPENSSL_VERSION," \
             " ssl.OPENSSL_VERSION_INFO >= (1, 1, 1))\n"
    assert python("-W", "error", "-c", source) == (
        0, "PROTOCOL_TLS_CLIENT TLSv1_3 serverAuth\nTrue True True\n", "")


@pytest.mark.static
def test_the_c_library_is_known(python):
    """platform.libc_ver() looks for it in the executable."""
    status, out, _ = python("-c", "import platform; print(*platform.libc_ver())")
    assert status == 0 and re.fullmatch(r"musl \d+\.\d+\.\d+\n", out), out
