"""The asynchronous peers: newer than the machine's own packages, on a Python of the version that limpet has.

peers.sh unpacks them; their Python is started by the dynamic loader that came with it, so that nothing is installed.
"""

import functools
import os
import pathlib
import re
import subprocess

import machine

HERE = pathlib.Path(__file__).resolve().parent
CONNECTIONS = 20_000  # what a worker may have, where the default is less than a row needs
NAMED = ("python3.14", "uvicorn", "python3-uvloop", "python3-httptools", "python3-websockets", "python3-hypercorn",
         "gunicorn")


@functools.cache
def folder():
    """Where they are; unpacked when that is first asked for."""
    run = subprocess.run([HERE / "peers.sh"], stdout=subprocess.PIPE, text=True)
    if run.returncode != 0:
        raise machine.Failure("peers.sh could not get the asynchronous peers (see above)")
    return pathlib.Path(run.stdout.strip())


def versions():
    """Of what matters to the figures, in one line."""
    found = dict(line.split() for line in (folder() / "versions").read_text().splitlines())
    return ", ".join(f"{name.removeprefix('python3-')} {re.split('[+-]', found[name])[0]}" for name in NAMED)


def environment():
    """What their Python finds its library by."""
    return {"PYTHONHOME": str(folder() / "usr")}


def python(module):
    """The command that runs a module."""
    libraries = folder() / f"usr/lib/{os.uname().machine}-linux-gnu"
    (loader,) = libraries.glob("ld-linux-*.so.*")
    return [loader, "--library-path", libraries, folder() / "usr/bin/python3.14", "-m", module]


def secured(server, certificate_option, key_option):
    """Options of HTTPS."""
    if not server.tls:
        return []
    certificate, key = server.session.certificate(server.tls)
    return [certificate_option, certificate, key_option, key]


def uvicorn_command(server):
    return [*python("uvicorn"), "--port", server.port, "--loop", "uvloop", "--http", "httptools", "--no-access-log",
            "--log-level", "warning", *secured(server, "--ssl-certfile", "--ssl-keyfile"), "asgi:app"]


def hypercorn_command(server):
    # Without workers it serves itself: one process, as the others' one worker.
    return [*python("hypercorn"), "--bind", f"127.0.0.1:{server.port}", "--workers", "0", "--worker-class", "uvloop",
            *secured(server, "--certfile", "--keyfile"), "asgi:app"]


def gunicorn_command(server):
    return [*python("gunicorn"), "--bind", f"127.0.0.1:{server.port}", "--workers", server.workers,
            "--worker-class", "asgi", "--asgi-loop", "uvloop", "--worker-connections", CONNECTIONS, "--no-control-socket",
            *secured(server, "--certfile", "--keyfile"), "asgi:app"]


COMMANDS = {"uvicorn": uvicorn_command, "hypercorn": hypercorn_command, "gunicorn-asgi": gunicorn_command}
LABELS = {"uvicorn": "uvicorn (uvloop, httptools)", "hypercorn": "hypercorn (uvloop)",
          "gunicorn-asgi": "gunicorn (asgi, uvloop)"}
