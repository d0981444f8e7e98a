"""What depends on how long a processor's words are, and on how large its pages: times beyond 2038, files and bodies beyond
4 GB. On 32-bit ARM most of it would fail with the types that were usual there once."""

import email.utils
import hashlib
import http.client
import os
import socket
import sqlite3

import pytest
from server import is_emulated

LATE = 1 << 33  # seconds: 2242
FAR = 5 << 30   # bytes

APPLICATION = f'''
import os

def head(start_response, **fields):
    start_response("200 OK", [(name.replace("_", "-"), str(value)) for name, value in fields.items()])

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/pages":
        head(start_response)
        return [str(os.sysconf("SC_PAGESIZE")).encode()]
    if path == "/length":
        head(start_response, X_Length=environ["CONTENT_LENGTH"])
        return [b""]
    file = open("huge.bin", "rb")
    if path == "/wrapped":
        file.seek({FAR} - 5)
        head(start_response, Content_Length=5)
        return environ["wsgi.file_wrapper"](file)
    head(start_response, Content_Length={FAR})
    return environ["wsgi.file_wrapper"](file)
'''


@pytest.fixture
def huge(tmp_path):
    """A file of 5 GB, nearly all of it a hole, that was changed in 2242."""
    path = tmp_path / "huge.bin"
    with open(path, "wb") as file:
        file.truncate(FAR)
        file.seek(FAR - 5)
        file.write(b"at 5G")
    os.utime(path, (LATE, LATE))
    return path


@pytest.fixture
def server(serve, huge):
    (huge.parent / "app.py").write_text(APPLICATION)
    return serve("app:app", "--workers", 1, "--static", "/files=.", "--max-body-size", "6g", "--working-dir", huge.parent)


@pytest.fixture
def python(run, tmp_path):
    """What this source prints, which must succeed."""

    def run_source(source, **options):
        done = run("python", "-c", source, cwd=tmp_path, **options)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout.strip()

    return run_source


def answer(server, method, path, fields={}):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request(method, path, headers=fields)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


# --- times ---

def test_times_beyond_2038(python):
    assert python(f"import time; print(time.strftime('%F %T', time.gmtime({LATE})))") == "2242-03-16 12:56:32"
    assert python("import datetime; print(datetime.datetime(2242, 3, 16, 12, 56, 32, tzinfo=datetime.UTC).timestamp())") \
        == f"{LATE}.0"
    assert python(f"import os; open('a', 'w'); os.utime('a', ({LATE}, {LATE})); print(os.stat('a').st_mtime_ns)") \
        == str(LATE * 10**9)
    assert python(f"import calendar, time; print(calendar.timegm(time.localtime({LATE})))", env={**os.environ, "TZ": "UTC"}) \
        == str(LATE)


def test_sqlite_counts_in_64_bits(python, tmp_path):
    python("import sqlite3; base = sqlite3.connect('base'); base.execute('create table t (n)');"
           f"base.execute('insert into t values (?)', ({LATE},)); base.commit()")
    base = sqlite3.connect(tmp_path / "base")
    assert base.execute("select n, datetime(n, 'unixepoch') from t").fetchone() == (LATE, "2242-03-16 12:56:32")
    base.close()


def test_file_of_a_late_date(server):
    """A time that has not come is told as the answer's own (RFC 9110, 8.8.2.1), not as one of 1901; asked for by a date
    beyond 2038, the file is as it was."""
    response, _ = answer(server, "HEAD", "/files/huge.bin")
    assert response.headers["Last-Modified"] == response.headers["Date"]
    late = email.utils.formatdate(LATE, usegmt=True)
    fields = {"If-Unmodified-Since": late, "Range": "bytes=-5"}
    assert answer(server, "GET", "/files/huge.bin", fields)[0].status == 206


# --- sizes ---

def test_files_beyond_4_gigabytes(python, huge):
    assert python("import os; print(os.path.getsize('huge.bin'))") == str(FAR)
    assert python(f"import os; fd = os.open('huge.bin', os.O_RDONLY); print(os.pread(fd, 9, {FAR} - 5))") == "b'at 5G'"


def test_mapping_beyond_4_gigabytes(python, huge, limpet):
    is_32_bits = open(limpet, "rb").read(5)[4] == 1  # EI_CLASS
    if is_32_bits and is_emulated():
        pytest.skip("qemu's mmap2 keeps 32 bits of an offset; what is asked of it is right (qemu-arm-static -strace)")
    assert python("import mmap; file = open('huge.bin', 'rb');"
                  f"print(mmap.mmap(file.fileno(), 65536, access=mmap.ACCESS_READ, offset={FAR} - 65536)[-5:])") == "b'at 5G'"


def test_end_of_a_file_beyond_4_gigabytes(server):
    response, body = answer(server, "GET", "/files/huge.bin", {"Range": f"bytes={FAR - 5}-"})
    assert (response.status, body) == (206, b"at 5G")
    assert response.headers["Content-Range"] == f"bytes {FAR - 5}-{FAR - 1}/{FAR}"


def test_wrapped_file_from_beyond_4_gigabytes(server):
    assert answer(server, "GET", "/wrapped")[1] == b"at 5G"


def test_length_beyond_4_gigabytes(server):
    """Of an answer and of a request: as it was written, neither cut nor negative."""
    response, _ = answer(server, "HEAD", "/whole")
    assert response.headers["Content-Length"] == str(FAR)
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as peer:
        peer.sendall(f"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: {7 << 30}\r\n\r\n".encode())
        assert peer.recv(65536).startswith(b"HTTP/1.1 413 ")


# --- pages ---

def test_pages_are_the_machines(server, python):
    """As large as the kernel says, for Python and for the server; and a mapping is whole pages."""
    size = int(python("import resource; print(resource.getpagesize())"))
    assert size >= 4096 and size & (size - 1) == 0
    assert int(answer(server, "GET", "/pages")[1]) == size
    assert python("import mmap; m = mmap.mmap(-1, 3 * mmap.PAGESIZE + 1); m[-1:] = b'x'; print(mmap.PAGESIZE, len(m))") \
        == f"{size} {3 * size + 1}"


def test_threads_and_their_stacks(python):
    assert python("""
import hashlib, threading
def deep(n): return 0 if n == 0 else 1 + deep(n - 1)
results = []
threads = [threading.Thread(target=lambda: results.append(deep(900))) for _ in range(20)]
[t.start() for t in threads]; [t.join() for t in threads]
print(set(results), hashlib.sha256(bytes(1 << 24)).hexdigest())
""") == f"{{900}} {hashlib.sha256(bytes(1 << 24)).hexdigest()}"
