"""What the checks of a machine are made of, in the machine: programs, systemd's properties, requests, files, processes.

limpet's own interpreter runs it: the machine has no Python.
"""

import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

from listing import LEFT_BY_USERS, digest, entry

TIMEOUT = 300  # seconds; emulated machines are slow

# What an installation could write to. Of these, what changes by itself or is others' to keep: dpkg's and systemd's own
# state, and what programs that change users leave (their locks, and what the files were before).
WATCHED = ("/etc", "/home", "/opt", "/srv", "/usr", "/var")
CHANGING = ("/var/lib/dpkg", "/var/lib/systemd", "/var/log", "/var/cache", "/var/tmp", *LEFT_BY_USERS)


def run(*words):
    """A program, run to its end: (status, standard output and standard error)."""
    done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", timeout=TIMEOUT, check=False)
    return done.returncode, done.stdout


def good(*words):
    """The output of a program that must succeed."""
    status, output = run(*words)
    if status != 0:
        raise RuntimeError(f"{words}: status {status}: {output}")
    return output


def show(unit, *names):
    """systemd's properties of a unit, as texts; of one name the value alone."""
    lines = good("systemctl", "show", unit, *(f"--property={name}" for name in names)).splitlines()
    found = dict(line.split("=", 1) for line in lines)
    return found if len(names) > 1 else found[names[0]]


def main_pid(unit):
    return int(show(unit, "MainPID"))


def children(pid):
    """The process ids of a process's children."""
    return sorted(int(word) for word in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def process(pid):
    """Some fields of /proc/PID/status."""
    rows = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    names = ("Uid", "Gid", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")
    return {name: rows[name].split()[0] for name in names}


def processes_of(uid):
    """The command lines of all processes of a user."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if folder.stat().st_uid == uid:
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            pass  # it has ended
    return found


def eventually(condition, what):
    """What a condition gives once that is true, of what nothing announces. OSError is "not yet"."""
    end = time.monotonic() + TIMEOUT
    while True:
        try:
            found = condition()
        except OSError:
            found = None
        if found:
            return found
        if time.monotonic() > end:
            raise RuntimeError(f"in {TIMEOUT} s it did not come to be: {what}")
        time.sleep(0.02)


def fetch(where, path="/"):
    """The body of one answer; where: a port of this machine, or the path of a unix socket. OSError where nobody is."""
    connection = http.client.HTTPConnection("127.0.0.1", where if isinstance(where, int) else 80, timeout=TIMEOUT)
    if isinstance(where, str):
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(TIMEOUT)
        connection.sock.connect(where)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {body}")
    return body


def ask(where, path="/"):
    """The JSON that is the body of one answer."""
    return json.loads(fetch(where, path))


def journal(unit):
    """[(priority, text)] of what the unit has written since the machine was started."""
    good("journalctl", "--sync")
    rows = good("journalctl", "--boot", "--unit", unit, "--output=json", "--no-pager").splitlines()
    entries = [json.loads(row) for row in rows]
    return [[entry.get("PRIORITY"), entry["MESSAGE"]] for entry in entries if isinstance(entry.get("MESSAGE"), str)]


def write(path, text):
    """A file, with the folders that it needs."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def send(pid, name):
    os.kill(pid, getattr(signal, name))


def content(path, status):
    """In /usr, which is large, size and time tell enough."""
    return [status.st_size, status.st_mtime_ns] if path.startswith("/usr/") else digest(path, status)


def listing():
    """{path: entry} of all places that an installation could write to."""
    found = {}
    for top in WATCHED:
        for folder, folders, files in os.walk(top):
            folders[:] = [name for name in folders if os.path.join(folder, name) not in CHANGING]
            for path in (os.path.join(folder, name) for name in [*folders, *files]):
                if path not in CHANGING:
                    found[path] = list(entry(path, content))  # as JSON has it
    return found


def differences(before, after):
    """The paths that are not the same."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def exposure(unit):
    """What "systemd-analyze security" says of a loaded unit, of 10.0."""
    return float(good("systemd-analyze", "security", "--no-pager", unit).split("exposure level for")[1].split()[1])
