"""The row about Python programs that are HTTPS clients: ssl, http.client and asyncio of limpet beside the same of the
system's own Python, whose ssl is OpenSSL."""

import json
import os
import subprocess

import machine
import servers
import table
from rows_load import interleaved

CLIENT = servers.HERE / "https_client.py"
PEER = "/usr/bin/python3"
LARGE = 100_000_000  # bytes of a download
CONNECTIONS = 1000
SHARE_AIM = table.at_least(70, "{}%")
# What is measured: (label, the client's arguments, figure of its answer, factor into the label's unit, form, whether more
# is better). Figures with the same arguments are of the same runs.
DOWNLOAD = ("download", "{port}", "{authority}", "/large-download")
ASYNCHRONOUS = ("asyncio-download", *DOWNLOAD[1:])
NEW = ("connect", "{port}", "{authority}", str(CONNECTIONS))
RESUMED = (*NEW, "resume")
SHORT = ("echo", "{certificate}", "{key}", "{authority}", "10000", "1000")
LONG = ("echo", "{certificate}", "{key}", "{authority}", "2000", "60000")
CONTEXT = ("context",)
FIGURES = [
    ("http.client, 100 MB, MB/s", DOWNLOAD, "rate", 1e-6, "{:,.0f}", True),
    ("… CPU us a MB", DOWNLOAD, "cpu", 1e6, "{:,.0f}", False),
    ("new connection and a request, a second", NEW, "rate", 1, "{:,.0f}", True),
    ("… CPU us", NEW, "cpu", 1, "{:,.0f}", False),
    ("resumed connection and a request, a second", RESUMED, "rate", 1, "{:,.0f}", True),
    ("… CPU us", RESUMED, "cpu", 1, "{:,.0f}", False),
    ("asyncio, 100 MB, MB/s", ASYNCHRONOUS, "rate", 1e-6, "{:,.0f}", True),
    ("… CPU us a MB", ASYNCHRONOUS, "cpu", 1e6, "{:,.0f}", False),
    ("asyncio echo of 1 KB, both ends in one process, a second", SHORT, "rate", 1, "{:,.0f}", True),
    ("asyncio echo of 60 KB, both ends in one process, a second", LONG, "rate", 1, "{:,.0f}", True),
    ("ssl.create_default_context(), the first, ms", CONTEXT, "first", 1, "{:.2f}", False),
    ("… the next, ms", CONTEXT, "next", 1, "{:.2f}", False),
]


def run(command, arguments):
    """What the client says of itself, on CPU 1."""
    done = subprocess.run(["taskset", "-c", "1", *command, CLIENT, *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=300)
    if done.returncode != 0:
        raise machine.Failure(f"{' '.join(map(str, done.args))}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def versions():
    """Of the peer."""
    code = "import platform, ssl; print(platform.python_version(), 'with', ssl.OPENSSL_VERSION)"
    return subprocess.run([PEER, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def client(session, card):
    """A client of nginx on the other CPU; both Pythons in turn."""
    commands = {"limpet": [session.binary, "python"], "python3": [PEER]}
    certificate, key = session.certificate("issued")
    with (session.folder / "large-download").open("wb") as file:
        os.truncate(file.fileno(), LARGE)
    with servers.Server(session, "nginx", "hello", tls="issued") as server:
        names = {"port": server.port, "authority": session.authority(), "certificate": certificate, "key": key}

        def measure(kind, what):
            return run(commands[kind], [argument.format(**names) for argument in what])

        whats = list(dict.fromkeys(what for _, what, *_ in FIGURES))
        results = interleaved(session, [(kind, what) for what in whats for kind in commands], measure)
    rows = []
    for label, what, name, factor, form, more in FIGURES:
        ours, theirs = (results[kind, what] for kind in commands)
        share = 100 * (table.ratio(ours, theirs, name) if more else table.ratio(theirs, ours, name))
        rows.append([label, *(form.format(table.median(rounds, name) * factor) for rounds in (ours, theirs)),
                     f"{share:.0f}%", card.judge(label.removeprefix("… "), SHARE_AIM, share)])
    session.note(f"the HTTPS clients' python3 is {versions()}")
    card.table("HTTPS client on CPU 1, nginx on CPU 0, TLS 1.3, P-256", ["what", "limpet", "python3", "as good as python3",
                                                                        "aim"], rows)
