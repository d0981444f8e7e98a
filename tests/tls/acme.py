"""An authority that speaks ACME (pebble), the name service that it asks (pebble-challtestsrv), and certbot."""

import contextlib
import json
import os
import socket
import ssl
import subprocess
import urllib.request

from certificates import Authority
from server import eventually

TIMEOUT = 300  # seconds


def answers(port):
    """Whether somebody listens there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


@contextlib.contextmanager
def running(command, log, ports, **options):
    """A program that serves these ports for as long as the block takes."""
    with open(log, "wb") as out:
        process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=subprocess.STDOUT, **options)
        try:
            eventually(lambda: process.poll() is not None or all(map(answers, ports)))
            assert process.poll() is None, log.read_text()
            yield process
        finally:
            process.kill()
            process.wait()


class Acme:
    """folder: for all files; http_port: where challenges are asked for, at whatever name."""

    def __init__(self, folder, tool, free_port, http_port):
        self.folder, self.http_port, self._tool = folder, http_port, tool
        self._port, self._management, self._dns, self._dns_management = (free_port() for _ in range(4))
        self._authority = Authority(folder, "The ACME server's own")
        self._leaf = self._authority.issue("localhost", names=["localhost", "127.0.0.1"])
        self.log = folder / "pebble.log"
        self._unused = free_port()

    @contextlib.contextmanager
    def serving(self):
        settings = self.folder / "pebble.json"
        settings.write_text(json.dumps({"pebble": {
            "listenAddress": f"127.0.0.1:{self._port}",
            "managementListenAddress": f"127.0.0.1:{self._management}",
            "certificate": str(self._leaf.chain), "privateKey": str(self._leaf.key),
            "httpPort": self.http_port, "tlsPort": self._unused,
            "ocspResponderURL": "", "externalAccountBindingRequired": False}}))
        # Every name is 127.0.0.1's; no waiting, no refusals for practice, and each order is validated anew.
        environment = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
        names = [self._tool("pebble-challtestsrv"), "-dns01", f"127.0.0.1:{self._dns}", "-http01", "", "-https01", "",
                 "-tlsalpn01", "", "-management", f"127.0.0.1:{self._dns_management}", "-defaultIPv6", ""]
        pebble = [self._tool("pebble"), "-config", settings, "-dnsserver", f"127.0.0.1:{self._dns}"]
        with running(names, self.folder / "names.log", [self._dns, self._dns_management]), \
                running(pebble, self.log, [self._port, self._management], env=environment):
            yield self

    def root(self):
        """The path of the certificate that all it issues goes back to."""
        context = ssl.create_default_context(cafile=self._authority.certificate)
        path = self.folder / "issuing-root.pem"
        address = f"https://localhost:{self._management}/roots/0"
        with urllib.request.urlopen(address, context=context, timeout=30) as answer:
            path.write_bytes(answer.read())
        return path

    @property
    def live(self):
        """certbot's folder of the certificates that hold."""
        return self.folder / "certbot/live"

    def certbot(self, *arguments):
        """Run it, and return what it says."""
        folders = [word for name in ("config", "work", "logs")
                   for word in (f"--{name}-dir", self.folder / ("certbot" if name == "config" else f"certbot-{name}"))]
        command = [self._tool("certbot"), *arguments, *folders, "--non-interactive", "--server",
                   f"https://localhost:{self._port}/dir"]
        environment = {**os.environ, "REQUESTS_CA_BUNDLE": str(self._authority.certificate)}
        done = subprocess.run(list(map(str, command)), env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT)
        assert done.returncode == 0, f"{done.stdout}\n{self.log.read_text()[-4000:]}"
        return done.stdout
