"""Servers for TLS clients under test: nginx with many sites, and one "openssl s_server" at a time each.

    with Nginx(folder, [Site("plain", chain, key)]) as nginx:
        nginx.address("plain")           # the path of a unix socket, or ("127.0.0.1", port) where the site wants one

nginx listens on unix sockets, or on TCP sockets that are made here and handed over, s_server on a port that it finds:
none is guessed.
"""

import contextlib
import dataclasses
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess

from server import START_TIMEOUT, eventually

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
ENVIRONMENT = {"PATH": os.environ.get("PATH", ""), "OPENSSL_CONF": "/dev/null"}  # the system's settings are no matter

_HEAD = """
daemon off;
worker_processes 1;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    default_type text/plain;
    client_max_body_size 64m;
    ssl_protocols TLSv1.2 TLSv1.3;
"""

_SITE = """
    server {{
        listen {listen} ssl{more};
        server_name {name};
        ssl_certificate {chain};
        ssl_certificate_key {key};
        {settings}
        {locations}
    }}
"""

# What a client is told of the connection that it has: by this both sides say the same.
SEEN = ('location / { return 200 "$ssl_protocol $ssl_cipher name=$ssl_server_name alpn=$ssl_alpn_protocol '
        'client=$ssl_client_verify reused=$ssl_session_reused connection=$connection/$connection_requests"; }')


@dataclasses.dataclass
class Site:
    """A server block. name: of its socket; chain, key: PEM files; settings: lines of nginx's own, "ssl_protocols
    TLSv1.2;"; host: for several sites on the socket of one name; tcp: it wants a port."""

    name: str
    chain: pathlib.Path
    key: pathlib.Path
    settings: str = ""
    host: str = "_"
    more: str = ""
    tcp: bool = False
    locations: str = SEEN


class Nginx:
    """One process with these sites. To be entered; log: all that it has complained about."""

    def __init__(self, folder, sites):
        self.folder = pathlib.Path(folder)
        self._sites = sites
        self._addresses = {}
        self._sockets = []
        self._process = None

    def __enter__(self):
        # A worker of somebody else could not go into a folder of root's.
        settings = _HEAD.format(folder=self.folder, user="user root;" if os.geteuid() == 0 else "")
        for site in self._sites:
            settings += _SITE.format(listen=self._listen_of(site), name=site.host, chain=site.chain, key=site.key,
                                     settings=site.settings, locations=site.locations, more=site.more)
        path = self.folder / "nginx.conf"
        path.write_text(settings + "}\n")
        numbers = [each.fileno() for each in self._sockets]
        # It takes sockets over from an nginx before it, by their numbers.
        environment = {**ENVIRONMENT, "NGINX": "".join(f"{number};" for number in numbers)}
        with open(self.folder / "output", "wb") as output:
            self._process = subprocess.Popen([NGINX, "-c", path, "-p", self.folder], env=environment,
                                             stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=numbers)
        try:
            eventually(self._is_serving)
        except AssertionError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(START_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for each in self._sockets:
            each.close()

    def _listen_of(self, site):
        if site.name not in self._addresses:
            if site.tcp:
                listener = socket.create_server(("127.0.0.1", 0), backlog=511)
                self._sockets.append(listener)
                self._addresses[site.name] = listener.getsockname()
            else:
                self._addresses[site.name] = str(self.folder / f"{site.name}.sock")
        address = self._addresses[site.name]
        return f"{address[0]}:{address[1]}" if site.tcp else f"unix:{address}"

    def _is_serving(self):
        assert self._process.poll() is None, (self.folder / "output").read_text() + self.log
        return (self.folder / "nginx.pid").exists() and all(
            os.path.exists(address) for address in self._addresses.values() if isinstance(address, str))

    @property
    def log(self):
        path = self.folder / "error.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def address(self, name):
        return self._addresses[name]

    def port(self, name):
        return self._addresses[name][1]


@contextlib.contextmanager
def s_server(*arguments):
    """An "openssl s_server" until it is left: its address; it answers requests of HTTP/1.0 with a page about the
    connection."""
    process = subprocess.Popen(
        ["openssl", "s_server", "-accept", "127.0.0.1:0", "-www", *map(str, arguments)], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=ENVIRONMENT)
    try:
        said = b""
        while not (found := re.search(rb"ACCEPT .*:(\d+)\n", said)):
            assert select.select([process.stdout], [], [], START_TIMEOUT)[0], f"it does not start: {said}"
            piece = os.read(process.stdout.fileno(), 4096)
            assert piece, f"it ended: {said}"
            said += piece
        yield ("127.0.0.1", int(found[1]))
    finally:
        process.terminate()
        process.communicate(timeout=START_TIMEOUT)
