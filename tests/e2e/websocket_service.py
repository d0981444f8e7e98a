"""The application of applications/websocket_app.py under test: what it says, and how its server is."""

import json
import pathlib
import re

from server import eventually, is_sanitized

APPLICATION = pathlib.Path(__file__).parent / "applications/websocket_app.py"
LIMIT = 1 << 20  # bytes of a message, for servers that are told so


def said(server, name, pattern="{.*}"):
    """What the application says under that name."""
    return json.loads(server.wait_for(rf"said {re.escape(name)}: ({pattern})\n")[1])


def status(server):
    with server.get() as response:
        return json.load(response)


def worker(server):
    """The pid of the only one."""
    return status(server)["pid"]


def nobody_is_left(server):
    """The application has been told of every end."""
    eventually(lambda: status(server)["connected"] == 0)


def peak(server):
    """The most memory that the worker has taken so far, in bytes."""
    status_file = pathlib.Path(f"/proc/{worker(server)}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status_file)[1]) << 10


def grew_little(server, before):
    """Whether the peak has hardly moved since it was that. Sanitizers keep what was freed for a while."""
    return is_sanitized() or peak(server) - before < 32 << 20


def ending(code, reason="", **more):
    return {"type": "websocket.disconnect", "code": code, "reason": reason, **more}
