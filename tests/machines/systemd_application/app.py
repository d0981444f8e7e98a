"""An application that says what a service may do: /, /writes, /say. All answers are JSON."""

import errno
import json
import logging
import os
import sys
import time

LOADED = time.monotonic()  # since the boot, as systemd's ...TimestampMonotonic are

PLACES = ("/usr/local/written", "/etc/written", "/var/lib/written", "/srv/written", "/root/written", "/run/written")


def write(path):
    """What comes of writing a file there."""
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write("x")
        os.unlink(path)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "written"


def about():
    """Who and where this worker is."""
    return {"pid": os.getpid(), "uid": os.getuid(), "gid": os.getgid(), "loaded": LOADED, "folder": os.getcwd(),
            "state": os.environ["STATE_DIRECTORY"], "packed": sys.executable}


def writes():
    """What comes of writing to places that are others', to the application's own and to /tmp."""
    own = os.environ["STATE_DIRECTORY"] + "/written"
    return {**{path: write(path) for path in PLACES}, "state": write(own), "/tmp": write("/tmp/written")}


def say():
    """Something for the journal, in each way that applications have."""
    print("said by print", flush=True)
    print("said by stderr", file=sys.stderr, flush=True)
    logging.getLogger("shop").error("said by logging")
    return {}


PAGES = {"/": about, "/writes": writes, "/say": say}


def app(environ, start_response):
    body = json.dumps(PAGES[environ["PATH_INFO"]]()).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
