"""What TLS clients of applications meet: certificates, nginx, small services; and the settings that tell them of it.

    with World(folder) as world:
        world.settings("/data")          # where the client finds its certificates
"""

import contextlib
import hashlib
import os
import pathlib
import shutil

import tls_services
from certificates import Authority, encrypt_key
from tls_peers import SEEN, Nginx, Site

LARGE = 10_000_000  # bytes

_LOCATIONS = """
location / {{ {seen} }}
location = /large {{ root {folder}; }}
location = /digest {{ proxy_pass http://127.0.0.1:{port}; }}
location = /RPC2 {{ proxy_pass http://127.0.0.1:{port}; }}
location = /client {{ {seen} }}
"""
_SEEN = SEEN.partition("{")[2].rpartition("}")[0].strip()


class World:
    """To be entered. files: a folder of certificates; large: the digest of what is downloaded."""

    def __init__(self, folder):
        self._folder = pathlib.Path(folder)
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self._certificates()
            self._write_large()
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _certificates(self):
        self.root = Authority(self._folder)
        self.local = self.root.issue("localhost", names=["localhost", "127.0.0.1"])
        self._expired = self.root.issue("localhost", names=["localhost"], days=-1, since=-9)
        self._elsewhere = self.root.issue("elsewhere.test")
        client = self.root.issue("Somebody", names=[], usage="client")
        other = Authority(self._folder, "Other Root")
        self.files = self._folder / "files"
        self.files.mkdir()
        for name, source in {"root": self.root.certificate, "other": other.certificate, "client": client.chain,
                             "client-key": client.key, "server": self.local.chain,
                             "server-key": self.local.key}.items():
            shutil.copy(source, self.files / f"{name}.pem")
        (self.files / "client-locked.pem").write_bytes(encrypt_key(client.key.read_bytes(), "secret"))
        self.give(self.files)

    def give(self, folder):
        """Copies of all the certificates to a folder, for anybody to read."""
        for source in self.files.iterdir():
            if folder != self.files:
                shutil.copy(source, folder)
            (folder / source.name).chmod(0o644)

    def _write_large(self):
        data = os.urandom(LARGE)
        (self._folder / "large").write_bytes(data)
        self.large = hashlib.sha256(data).hexdigest()

    def _start(self, stack):
        port = stack.enter_context(tls_services.backend())
        locations = _LOCATIONS.format(seen=_SEEN, folder=self._folder, port=port)
        ours = (f"ssl_client_certificate {self.root.certificate}; ssl_verify_client optional; "
                "ssl_session_cache shared:all:1m; keepalive_requests 1000;")

        def site(name, leaf, settings=""):
            return Site(name, leaf.chain, leaf.key, settings, tcp=True, locations=locations)

        self.nginx = stack.enter_context(Nginx(self._folder, [
            site("local", self.local, ours), site("expired", self._expired), site("elsewhere", self._elsewhere)]))
        context = tls_services.server_context(self.local)
        self.early_end = stack.enter_context(tls_services.EarlyEnd(context))
        self.no_answer = stack.enter_context(tls_services.NoAnswer(None))
        self.proxy = stack.enter_context(tls_services.Proxy())
        self.tls_proxy = stack.enter_context(tls_services.Proxy(context))
        self.websocket = stack.enter_context(tls_services.Echo(context))
        self.mail = {}
        for name, kind in {"smtp": tls_services.Smtp, "imap": tls_services.Imap, "pop": tls_services.Pop}.items():
            for implicit in (False, True):
                service = stack.enter_context(kind(context, implicit))
                self.mail[name + "s" * implicit] = service.port

    def settings(self, folder=None):
        """What a client is told. folder: where it sees its certificates."""
        fingerprint = hashlib.sha256(self.local.der()).hexdigest()
        return {
            "folder": str(folder or self.files), "url": f"https://localhost:{self.nginx.port('local')}",
            "expired": f"https://localhost:{self.nginx.port('expired')}",
            "wrong_host": f"https://localhost:{self.nginx.port('elsewhere')}",
            "early_end": f"https://localhost:{self.early_end.port}",
            "no_answer": f"https://localhost:{self.no_answer.port}",
            "proxy": f"http://localhost:{self.proxy.port}", "tls_proxy": f"https://localhost:{self.tls_proxy.port}",
            "websocket": f"wss://localhost:{self.websocket.port}", "ports": self.mail, "fingerprint": fingerprint}
