"""The servers that are compared: how each is started, and one that runs.

limpet from the binary under test; gunicorn, uwsgi and nginx from Debian's packages, asynchronous peers by peers.py; all
without an access log.
"""

import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import time

import load
import machine
import peers

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
APPLICATIONS = {"hello": ROOT / "apps/hello", "answers": HERE / "applications/answers",
                "flask": HERE / "applications/flask_hello", "asgi": HERE / "applications/asynchronous",
                "rsgi": HERE / "applications/asynchronous"}
TARGETS = {"asgi": "asgi:app", "rsgi": "rsgi:app"}  # app:app where nothing else is said
FLASK = ("python3-flask", "python3-werkzeug", "python3-jinja2", "python3-markupsafe", "python3-itsdangerous",
         "python3-click", "python3-blinker")
START_TIMEOUT, WRAPPED_TIMEOUT = 30, 180  # seconds; under valgrind everything takes fifty times as long
SITE = "site"  # the application whose files are made when they are needed
FILE_BYTES = 100 * 1024
LARGE_BYTES = 1 << 20
P256 = ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
# (server, application) of those that answer 13 bytes.
HELLO_SERVERS = [("limpet", "hello"), ("nginx", "hello"), ("gunicorn", "hello"), ("uwsgi", "hello"),
                 ("uvicorn", "asgi")]
NGINX = """
daemon off; worker_processes {workers}; pid {folder}/nginx-{port}.pid; error_log {folder}/nginx-error.log;
worker_rlimit_nofile 65536; events {{ worker_connections 16384; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; default_type text/plain;
  client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port} {tls} backlog=1024;
    {certificate}
    location / {{ return 200 "Hello, World!"; }}
    location /file {{ root {folder}; }}
    location /large {{ root {folder}; }}
    location /static {{ root {folder}/site; }}
  }}
}}
"""


class Session:
    """One run of the benchmarks: its options, a temporary folder, and the packed applications in it."""

    def __init__(self, options, folder):
        self.binary = pathlib.Path(options.profile_binary).resolve()
        self.rounds = options.rounds
        self.seconds = options.seconds
        self.functions = options.functions
        self.folder = pathlib.Path(folder)
        self.notes = []
        self.disturbances = []  # shares of the CPUs that others used, of each measurement
        self.flask_folder = None
        (self.folder / "file").write_bytes(b"x" * FILE_BYTES)
        (self.folder / "large").write_bytes(b"x" * LARGE_BYTES)
        self.folder.chmod(0o755)  # nginx's worker is somebody else
        usage = subprocess.run([self.binary, "help", "serve"], capture_output=True, text=True, check=True).stdout
        self.has_blocking_threads = "--blocking-threads" in usage

    @staticmethod
    def progress(text):
        """What is being done now, for whoever watches."""
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr)

    def note(self, text):
        """Something that whoever reads the tables has to know; said once."""
        if text not in self.notes:
            self.notes.append(text)

    def flask_packages(self):
        """Folder of Flask and what it needs: the same for all servers."""
        if self.flask_folder is None:
            self.flask_folder = subprocess.run([ROOT / "tests/e2e/debian_packages.sh", *FLASK], check=True,
                                               stdout=subprocess.PIPE, text=True).stdout.strip()
        return self.flask_folder

    def certificate(self, key):
        """(certificate, key) as files, for a kind of key: "ecdsa" (P-256) or "rsa:2048", self-signed; "issued": P-256,
        signed by authority()."""
        certificate, private = (self.folder / f"{key.replace(':', '-')}.{kind}" for kind in ("crt", "key"))
        if not certificate.exists():
            kind = [key] if key.startswith("rsa") else P256
            issuer = []
            if key == "issued":
                issuer = ["-CA", self.authority(), "-CAkey", self.folder / "authority.key", "-addext",
                          "basicConstraints=critical,CA:FALSE"]
            subprocess.run(["openssl", "req", "-x509", "-newkey", *kind, "-nodes", "-keyout", private, "-out",
                            certificate, "-days", "90", "-subj", "/CN=localhost", "-addext",
                            "subjectAltName=DNS:localhost", *issuer], check=True, stderr=subprocess.DEVNULL)
        return certificate, private

    def authority(self):
        """The certificate of an authority (P-256), as a file."""
        certificate = self.folder / "authority.crt"
        if not certificate.exists():
            subprocess.run(["openssl", "req", "-x509", "-newkey", *P256, "-nodes", "-keyout",
                            self.folder / "authority.key", "-out", certificate, "-days", "90", "-subj", "/CN=authority",
                            "-addext", "keyUsage=critical,keyCertSign,cRLSign"], check=True, stderr=subprocess.DEVNULL)
        return certificate

    def site(self):
        """Folder of an application with files in static/, 100 KB each: noise.bin, which is stored in an archive, and
        text.txt, which is deflated."""
        folder = self.folder / SITE
        if not folder.exists():
            static = folder / "static"
            static.mkdir(parents=True)
            shutil.copy(APPLICATIONS["hello"] / "app.py", folder)
            (static / "noise.bin").write_bytes(random.Random(1).randbytes(FILE_BYTES))
            lines = b"".join(b"%07d of the text that is sent\n" % number for number in range(FILE_BYTES // 16))
            (static / "text.txt").write_bytes(lines[:FILE_BYTES])
        return folder

    def source(self, application):
        """Its folder."""
        return self.site() if application == SITE else APPLICATIONS[application]

    def packed(self, application):
        """The application as one binary; packed when it is first asked for."""
        output = self.folder / f"packed-{application}"
        if not output.exists():
            packages = ["--with", self.flask_packages()] if application == "flask" else []
            subprocess.run([self.binary, "pack", self.source(application), "--app",
                            TARGETS.get(application, "app:app"), "--output", output, *packages], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return output


def limpet_command(server):
    threads = ["--blocking-threads", server.threads] if server.threads else []
    tls = []
    if server.tls:
        certificate, key = server.session.certificate(server.tls)
        tls = ["--tls-certificate", certificate, "--tls-key", key]
    return [server.session.packed(server.application), "--port", server.port, "--workers", server.workers, *threads,
            *tls, *server.options]


def nginx_command(server):
    folder = server.session.folder
    path = folder / f"nginx-{server.port}.conf"
    certificate = ""
    if server.tls:
        files = server.session.certificate(server.tls)
        certificate = "ssl_certificate {}; ssl_certificate_key {}; ssl_protocols TLSv1.2 TLSv1.3;".format(*files)
    path.write_text(NGINX.format(folder=folder, port=server.port, workers=server.workers, certificate=certificate,
                                 tls="ssl" if server.tls else ""))
    return ["nginx", "-c", path]


def gunicorn_command(server):
    return ["/usr/bin/gunicorn", "--bind", f"127.0.0.1:{server.port}", "--workers", server.workers,
            "--worker-class", "gthread", "--threads", "16", "app:app"]


def uwsgi_command(server):
    return ["/usr/bin/uwsgi", "--plugin", "python3", "--http11-socket", f"127.0.0.1:{server.port}", "--threads", "16",
            "--listen", "1024", "--disable-logging", "--die-on-term", "--need-app", "--pythonpath", ".",
            "--module", "app:app"]


COMMANDS = {"limpet": limpet_command, "nginx": nginx_command, "gunicorn": gunicorn_command, "uwsgi": uwsgi_command,
            **peers.COMMANDS}
LABELS = {"limpet": "limpet", "nginx": "nginx", "gunicorn": "gunicorn (gthread, 16)", "uwsgi": "uwsgi (16 threads)",
          **peers.LABELS}


class Server:
    """A server that runs while the block does. cpus: of taskset, None: any. threads: of limpet, None: its default.
    wrapper: a command that runs the server's. options: more of limpet's. tls: HTTPS with such a kind of key (as for
    Session.certificate), None: plain."""

    def __init__(self, session, kind, application, cpus="0", workers=1, threads=None, wrapper=(), options=(), tls=None):
        self.session, self.kind, self.application = session, kind, application
        self.cpus, self.workers, self.threads, self.wrapper = cpus, workers, threads, wrapper
        self.options = options
        self.tls = tls
        self.port = machine.free_port()
        self.log = session.folder / f"{kind}-{self.port}.log"
        self.process = None

    def environment(self):
        """The server's: the file to send, and for those that run on Debian's Python the packages."""
        extra = {"BENCH_FILE": str(self.session.folder / "file"), "BENCH_LARGE_FILE": str(self.session.folder / "large"),
                 "PYTHONDONTWRITEBYTECODE": "1"}
        if self.application == "flask" and self.kind != "limpet":
            extra["PYTHONPATH"] = self.session.flask_packages()
        if self.kind in peers.COMMANDS:
            extra |= peers.environment()
        return os.environ | extra

    def start(self):
        """From here on it runs, but may not answer yet."""
        pinned = ["taskset", "-c", self.cpus] if self.cpus else []
        command = [*pinned, *self.wrapper, *map(str, COMMANDS[self.kind](self))]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, env=self.environment(),
                                            start_new_session=True, cwd=self.session.source(self.application))

    def client(self, peer):
        """A connected socket as a client of this server uses it."""
        return load.trusting().wrap_socket(peer) if self.tls else peer

    def answers(self):
        """Whether a new connection gets a 200."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as peer, self.client(peer) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                return client.recv(64).startswith(b"HTTP/1.1 200")
        except OSError:
            return False

    def all_serve(self):
        """Whether limpet says so of all its workers: the first answer comes when one of them does."""
        return self.workers == 1 or b" serving " in self.log.read_bytes()

    def wait_until_ready(self):
        """Returns at its first answer, and not before all workers can take connections."""
        timeout = WRAPPED_TIMEOUT if self.wrapper else START_TIMEOUT
        end = time.perf_counter() + timeout
        while time.perf_counter() < end and self.process.poll() is None:
            if self.answers() and self.all_serve():
                return
        raise machine.Failure(f"{' '.join(map(str, self.process.args))}: no answer within {timeout} s\n"
                              f"{self.log.read_text()}")

    def stop(self):
        """Ends it, by force when asking does not help."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def __enter__(self):
        self.start()
        try:
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def worker(self):
        """Pid of its largest process."""
        return max(machine.process_tree(self.process.pid), key=machine.resident_mb)
