"""A site of files to be served, and curl as its visitor: from disk and from inside the archive, plain and over TLS."""

import gzip
import os
import pathlib
import subprocess
import types

from tls_client import options_of

APPLICATION = '''
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Application", "yes")])
    return [("application " + environ["PATH_INFO"]).encode()]
'''
TEXT = "".join(f"{number} a line of text\n" for number in range(5000)).encode()  # deflated in an archive
LARGE = "".join(f"{number:09}\n" for number in range(200000)).encode()  # beyond what is inflated into memory
HUGE = "".join(f"{number:09}\n" for number in range(300000)).encode()  # beyond what has ranges, if it is deflated
NOISE = os.urandom(300000)  # stored
FILES = {
    "index.html": b"<h1>site</h1>\n",
    "css/main.css": TEXT,
    "css/base.55e7cbb9ba48.css": b"body {}\n",
    "js/app-BX82hs9a.js": b"let a;\n",
    "js/app.js": b"let application = 1;\n" * 100,
    "js/app.js.gz": gzip.compress(b"let application = 1;\n" * 100, mtime=1),
    "js/app.js.br": b"brotli's bytes",
    "large.txt": LARGE,
    "huge.txt": HUGE,
    "noise.bin": NOISE,
    "empty.txt": b"",
    "a b+c.txt": b"blank",
    "\u00e4.txt": b"umlaut",
    "docs/index.html": b"<h1>docs</h1>\n",
    "no-index/file.txt": b"file",
    ".hidden": b"secret",
    ".git/config": b"secret",
}


def make_site(folder):
    for name, content in FILES.items():
        path = pathlib.Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


class Fields(dict):
    """Of an answer, by lower-case names; several of one are joined as RFC 9110 section 5.3 has it."""

    def __init__(self, lines):
        for line in lines:
            name, _, value = line.partition(":")
            name = name.lower()
            self[name] = f"{self[name]}, {value.strip()}" if name in self else value.strip()


class Site:
    """A server with files, visited by curl over one transport. prefix: of the paths that are asked for."""

    def __init__(self, server, pki, transport, prefix="/static"):
        self.server, self.prefix = server, prefix
        self._pki, self._tls = pki, transport == "tls"

    def url(self, path):
        address = self.server.addresses[1 if self._tls else 0]
        scheme = "https" if self._tls else "http"
        return f"{scheme}://localhost:{address.rpartition(':')[2]}{path}"

    def curl(self, path, *fields, method="GET", options=()):
        """An answer: status, fields, body. A path is sent as it is, behind the prefix where it begins without a '/'."""
        if not path.startswith("/"):
            path = f"{self.prefix}/{path}"
        command = ["curl", "--silent", "--show-error", "--path-as-is", "--globoff", "--include", "--max-time", "60",
                   "--ipv4", "--cacert", str(self._pki.root.certificate), *options]
        command += ["--head"] if method == "HEAD" else ["--request", method]
        command += [word for field in fields for word in ("--header", field)]
        done = subprocess.run([*command, self.url(path)], capture_output=True, timeout=90)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        while head.startswith(b"HTTP/1.1 100"):
            head, _, body = body.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split()[1]) if lines[0] else 0
        return types.SimpleNamespace(status=status, fields=Fields(lines[1:]), body=body, error=done.returncode)


def start_site(serve, pki, binary, target, *options, **server_options):
    """A server that listens plain, then with TLS. target: nothing for a packed binary."""
    words = [*target, "--workers", 1, *options, "--listen", "127.0.0.1:0,plain", "--listen", "127.0.0.1:0",
             *options_of(pki.local)]
    return serve(*words, binary=binary, port=None, **server_options)


def parts_of(answer):
    """The parts of a multipart/byteranges body: (fields, bytes) each."""
    kind, _, boundary = answer.fields["content-type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    mark = b"\r\n--" + boundary.encode()
    first, *parts, last = answer.body.split(mark)
    assert (first, last) == (b"", b"--\r\n")
    out = []
    for part in parts:
        head, _, body = part.partition(b"\r\n\r\n")
        out.append((Fields(head.decode().strip().split("\r\n")), body))
    return out
