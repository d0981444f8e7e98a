"""What a server tells Prometheus, read without forgiving anything.

    metrics = Metrics(server)                # at the listener of --metrics 127.0.0.1:0
    before = metrics.read()
    ...
    assert metrics.read()["limpet_connections_total"] - before["limpet_connections_total"] == 2
"""

import re
import subprocess
import types
import urllib.request

from raw_client import Peer, request

LINE = re.compile(r'(limpet_[a-z0-9_]+(?:\{(?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)+\})?) (-?[0-9.]+)')
TYPE = re.compile(r"# TYPE (\S+) (counter|gauge|histogram)")
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def promtool(text):
    """What promtool finds in it."""
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr + (f"exit status {done.returncode}" if done.returncode else "")


def parse(text):
    """{series: value} and the series that never fall."""
    values, counters, types_of = {}, set(), {}
    for line in text.splitlines():
        if line.startswith("#"):
            if found := TYPE.fullmatch(line):
                assert found[1] not in types_of, line
                types_of[found[1]] = found[2]
            continue
        found = LINE.fullmatch(line)
        assert found, line
        assert found[1] not in values, f"twice: {line}"
        values[found[1]] = float(found[2])
        family = re.sub(r"_(bucket|sum|count)$", "", name_of(found[1]))
        kind = types_of.get(name_of(found[1])) or types_of[family]
        if kind != "gauge":
            counters.add(found[1])
    return values, counters


def name_of(series):
    """Without labels."""
    return series.partition("{")[0]


class Metrics:
    """Of a server with --metrics 127.0.0.1:0. Fails when a counter falls from one look to the next."""

    def __init__(self, server):
        self.url = server.addresses[-1]
        port = int(re.search(r":(\d+)/metrics$", self.url)[1])
        self.server = types.SimpleNamespace(port=port)  # for a Peer
        self.text, self._last = "", {}

    def ask(self, path="/metrics", method="GET"):
        """The answer on a connection of its own."""
        with Peer(self.server) as peer:
            return peer.ask(request(method, path))

    def read(self):
        """{series: value} of now."""
        with urllib.request.urlopen(self.url, timeout=60) as answer:
            assert answer.headers["Content-Type"] == CONTENT_TYPE
            self.text = answer.read().decode()
        values, counters = parse(self.text)
        for series in counters & self._last.keys():
            assert values[series] >= self._last[series], f"{series} falls from {self._last[series]} to {values[series]}"
        self._last = values
        return values

    def value(self, series):
        return self.read()[series]

    def recycled(self, reason):
        return self.value(f'limpet_workers_recycled_total{{reason="{reason}"}}')


def total(values, name):
    """The sum of all series of that name."""
    return sum(value for series, value in values.items() if name_of(series) == name)
