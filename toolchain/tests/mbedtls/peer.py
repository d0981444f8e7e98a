"""What the tests of drive.py talk to the server with: certificates, the server's process, two kinds of clients."""

import os
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

DEADLINE = 60  # seconds, for anything that is waited for


def both(function):
    """A test that is run with either version of the protocol."""
    function.versions = ("1.2", "1.3")
    return function


def openssl(*arguments: str, folder: Path, data: bytes = b"") -> bytes:
    done = subprocess.run(["openssl", *arguments], cwd=folder, input=data, capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.decode()}")
    return done.stdout


def make_certificates(folder: Path) -> None:
    """ca.pem, {ecdsa,rsa,client}.pem with .key, an intermediate's chain for ecdsa, and {ecdsa,rsa}.ocsp."""
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test CA", "-days", "30",
            folder=folder)
    (folder / "index.txt").write_text("")
    kinds = {"ecdsa": curve, "rsa": ["-newkey", "rsa:2048", "-nodes"], "client": curve}
    for serial, (name, kind) in enumerate(kinds.items(), 0x10):
        openssl("req", *kind, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}.test",
                folder=folder)
        (folder / f"{name}.ext").write_text(f"subjectAltName=DNS:{name}.test,DNS:localhost\n")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial",
                str(serial), "-days", "20", "-extfile", f"{name}.ext", "-out", f"{name}.pem", folder=folder)
        with open(folder / "index.txt", "a", encoding="ascii") as index:
            index.write(f"V\t491231235959Z\t\t{serial:02X}\tunknown\t/CN={name}.test\n")
    for name in ("ecdsa", "rsa"):
        openssl("ocsp", "-index", "index.txt", "-rsigner", "ca.pem", "-rkey", "ca.key", "-CA", "ca.pem", "-issuer",
                "ca.pem", "-cert", f"{name}.pem", "-no_nonce", "-ndays", "7", "-respout", f"{name}.ocsp",
                folder=folder)
        # the chain: what a server sends behind its own certificate
        chain = (folder / f"{name}.pem").read_text() + (folder / "ca.pem").read_text()
        (folder / f"{name}.pem").write_text(chain)


class Server:
    """The test server, ended by the end of its input; leaving fails if it leaves buffers or a report."""

    def __init__(self, binary: Path, folder: Path, *arguments: str) -> None:
        environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", UBSAN_OPTIONS="print_stacktrace=1")
        self.log = ""
        self.process = subprocess.Popen([str(binary), *arguments], cwd=folder, env=environment, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.reader = threading.Thread(target=self.read_log, daemon=True)
        self.reader.start()
        word = self.process.stdout.readline().split()
        if len(word) != 2:
            self.reader.join(5)
            raise RuntimeError("the server does not start: " + self.log)
        self.port = int(word[1])

    def read_log(self) -> None:
        for line in self.process.stderr:
            self.log += line

    def command(self, line: str) -> dict[str, int]:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        word = self.process.stdout.readline().split()
        return {name: int(value) for name, value in zip(word[::2], word[1::2])}

    def until(self, **wanted: int) -> dict[str, int]:
        """The server's figures once they are these."""
        deadline = time.monotonic() + DEADLINE
        while True:
            figures = self.command("stats")
            if all(figures[name] == value for name, value in wanted.items()):
                return figures
            if time.monotonic() > deadline:
                raise AssertionError(f"{figures} never became {wanted}; {self.log}")
            time.sleep(0.01)

    def until_log(self, text: str) -> None:
        deadline = time.monotonic() + DEADLINE
        while text not in self.log:
            if time.monotonic() > deadline:
                raise AssertionError(f"{text!r} is not in the server's log: {self.log}")
            time.sleep(0.01)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.process.stdin.close()
        code = self.process.wait(DEADLINE)
        self.reader.join(DEADLINE)
        self.process.stdout.close()
        self.process.stderr.close()
        if kind is None and (code != 0 or "ERROR" in self.log or "runtime error" in self.log):
            raise AssertionError(f"the server ended with {code}: {self.log}")


class Client:
    """TLS over memory, so that records can be sent in pieces, or several at once."""

    def __init__(self, server: Server, folder: Path, version: str = "1.3", alpn: tuple[str, ...] = (),
                 certificate: str = "", session: ssl.SSLSession | None = None,
                 context: ssl.SSLContext | None = None) -> None:
        self.context = context or self.make_context(folder, version, alpn, certificate)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = self.context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost", session=session)
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.text = b""
        self.drive(self.tls.do_handshake)

    @staticmethod
    def make_context(folder: Path, version: str, alpn: tuple[str, ...], certificate: str) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        number = ssl.TLSVersion.TLSv1_2 if version == "1.2" else ssl.TLSVersion.TLSv1_3
        context.minimum_version = context.maximum_version = number
        if alpn:
            context.set_alpn_protocols(list(alpn))
        if certificate:
            context.load_cert_chain(folder / f"{certificate}.pem", folder / f"{certificate}.key")
        return context

    def drive(self, call):
        while True:
            try:
                done = call()
                self.push(self.take())
                return done
            except ssl.SSLWantReadError:
                self.push(self.take())
                data = self.socket.recv(65536)
                if data:
                    self.incoming.write(data)
                else:
                    self.incoming.write_eof()

    def take(self) -> bytes:
        """What OpenSSL wants to send."""
        return self.outgoing.read() if self.outgoing.pending else b""

    def push(self, data: bytes) -> None:
        if data:
            self.socket.sendall(data)

    def record(self, line: str) -> bytes:
        """The line as a record, not sent."""
        self.tls.write(line.encode() + b"\n")
        return self.take()

    def line(self) -> str:
        while b"\n" not in self.text:
            data = self.drive(lambda: self.tls.read(65536))
            if not data:
                raise AssertionError("the server closed the connection")
            self.text += data
        line, self.text = self.text.split(b"\n", 1)
        return line.decode()

    def ask(self, line: str) -> str:
        self.push(self.record(line))
        return self.line()

    def close(self) -> None:
        self.socket.close()


class Command:
    """openssl s_client as a person would use it, lines in and lines out."""

    def __init__(self, server: Server, folder: Path, *arguments: str) -> None:
        self.text = ""
        self.process = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-CAfile", "ca.pem", "-servername",
             "localhost", *arguments], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, bufsize=0)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self) -> None:
        while True:
            data = self.process.stdout.read(65536)
            if not data:
                return
            self.text += data.decode(errors="replace")

    def send(self, text: str) -> None:
        # s_client takes a read of its input for one command
        self.process.stdin.write(text.encode())

    def until(self, text: str, count: int = 1) -> None:
        deadline = time.monotonic() + DEADLINE
        while self.text.count(text) < count:
            if time.monotonic() > deadline or (self.process.poll() is not None and self.text.count(text) < count):
                raise AssertionError(f"no {text!r} in what openssl says: {self.text[-3000:]}")
            time.sleep(0.01)

    def close(self) -> str:
        self.process.stdin.close()
        self.process.wait(DEADLINE)
        return self.text
