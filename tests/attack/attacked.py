"""A server that is attacked, and what is known of it: memory, descriptors, what it refused."""

import json
import pathlib
import re
import resource
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from attackers import SCENARIOS  # noqa: E402
from metrics_reader import Metrics  # noqa: E402
from tls_client import Pki, options_of  # noqa: E402

COUNTED = re.compile(r'limpet_(http_rejected|connections_refused|connections_expired)_total\{\w+="(\w+)"\}'
                     r'|limpet_tls_handshakes_total\{kind="(failed)"\}')
SMALL = 16 << 10  # KB that a worker may grow by, whatever the attack: what a server at work takes for itself


def memory(pid, kind):
    """KB: VmRSS, or VmHWM, the most that it ever was (since forget_peak)."""
    return int(re.search(rf"{kind}:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


def forget_peak(pid):
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


class Attacked:
    """server: a Server with one worker, a plain listener (port), one for TLS (tls) and one of metrics."""

    def __init__(self, serve, folder, scenario, prefix=()):
        """serve: the function that serving() gives out."""
        files = folder / "files"
        files.mkdir()
        (files / "large").write_bytes(b"x" * (1 << 20))
        # A few connections more than the attacks' and the others', so that the limit is one that is reached.
        self.server = serve(
            scenario.application, "--working-dir", HERE / "applications", "--workers", 1, "--backpressure", 6000,
            "--static", f"/files={files}", "--listen", "127.0.0.1:0,plain", "--listen", "127.0.0.1:0", "--metrics",
            "127.0.0.1:0", *options_of(Pki(folder).local), *scenario.options, port=None, prefix=prefix)
        self.port, self.tls = (int(address.rpartition(":")[2]) for address in self.server.addresses[:2])
        self.metrics = Metrics(self.server)
        self.worker, = self.server.workers()

    def refusals(self):
        """{reason: how often} of what is not 0."""
        found = ((COUNTED.fullmatch(series), value) for series, value in self.metrics.read().items())
        return {match[2] or "handshakes": int(value) for match, value in found if match and value}

    def is_same(self):
        """Whether the worker is the one that was there at first."""
        return self.server.workers() == [self.worker]


def bound(scenario, scale=1):
    """KB that a worker may grow by under this attack."""
    return SMALL + round(scenario.connections * scale) * scenario.each


class Attackers:
    """At work for so long, in a process of their own. finish(): what came of it."""

    def __init__(self, attacked, name, seconds, scale=1, prefix=()):
        self._patience = seconds + 60
        self._process = subprocess.Popen(
            [*prefix, "/usr/bin/python3", HERE / "attackers.py", name, str(attacked.port), str(attacked.tls),
             str(seconds), str(scale)], stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        assert self._process.stdout.readline() == "begun\n"
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def finish(self):
        """{what: how often}, once they have ended."""
        out, _ = self._process.communicate(timeout=self._patience)
        result = json.loads(out)
        assert not result["failures"], result["failures"]
        return result["counts"]


def many_descriptors():
    """For whoever starts servers that are to have many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft, hard


__all__ = ["SCENARIOS", "Attacked", "Attackers", "bound", "forget_peak", "many_descriptors", "memory"]
