"""A limpet under test: started, waited for by what it says, stopped, and looked at for what it left behind."""

import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
import urllib.request

from descriptors import Descriptors

START_TIMEOUT = 60  # seconds; generous, sanitizers are slow
ALERTS = re.compile(r"limpet: bug in|AddressSanitizer|LeakSanitizer|runtime error:|Segmentation fault|SIGSEGV|SIGABRT")
SERVING = re.compile(
    r"serving (?P<app>\S+) \((?P<interface>\w+)\)(?P<mounts>(?:, \S+ \(\w+\) at \S+)*) on (?P<addresses>\S+(?:, \S+)*) with (?P<workers>\d+) worker")


# What applications write stands behind the server's own prefix, and before the request's id.
OF_APPLICATION = re.compile(r"\S+Z (?:error|warning|info|debug) \S+\[\d+\] (?:stdout|stderr|traceback): (.*?)"
                            r"(?: request=\S+)?(\n?)", re.DOTALL)


def is_sanitized():
    """Whether the binary under test is the sanitizers' build, which is slow and large."""
    return "sanitize" in os.environ.get("BINARY_UNDER_TEST", "")


def is_emulated():
    """Whether the binary under test is for another processor than this machine's, so that qemu-user runs it."""
    def processor(path):
        with open(path, "rb") as file:
            return file.read(20)[18:]  # e_machine

    return processor(os.environ.get("BINARY_UNDER_TEST", sys.executable)) != processor(sys.executable)


def eventually(condition, timeout=START_TIMEOUT):
    """Look at a condition of the system that nothing announces until it holds."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "the condition did not come to hold"
        time.sleep(0.005)


def as_written(line):
    """A line of the log, or what the application wrote, where it is one of those; without the request's id."""
    of_application = OF_APPLICATION.fullmatch(line)
    return of_application[1] + of_application[2] if of_application else re.sub(r" request=\S+$", "", line)


class Successor:
    """What Popen is to a child of ours, for a supervisor that another one has started."""

    def __init__(self, pid, server):
        self.pid, self.returncode = pid, None
        self._server = server
        self._descriptor = os.pidfd_open(pid)

    def send_signal(self, number):
        signal.pidfd_send_signal(self._descriptor, number)

    def poll(self):
        running = self.returncode is None and not select.select([self._descriptor], [], [], 0)[0]
        return None if running else self.wait()

    def wait(self, timeout=None):
        """Its status belongs to its parent: the last word of one that succeeds stands for it."""
        if self.returncode is None:
            assert select.select([self._descriptor], [], [], timeout)[0], "it does not end"
            os.close(self._descriptor)
            self.returncode = 0 if self._has_stopped() else 1
        return self.returncode

    def _has_stopped(self):
        try:
            return bool(self._server.wait_for(rf"supervisor\[{self.pid}\] supervisor: stopped\n", 5))
        except AssertionError:
            return False


class Server:
    """A running server. addresses: of all its listeners; url: the first, "http://127.0.0.1:PORT"; records: all it wrote
    to standard error so far; log: the same without ids of requests, and with what the application wrote as it wrote it;
    keeps: why its processes may hold more descriptors in the end than at the start (the application has files or
    connections of its own), None: they may not."""

    keeps = None

    def __init__(self, arguments, *, environment=None, folder=None, prefix=(), expect_start=True, alerts=None):
        """Start it. prefix: a command before it (chroot, ip netns exec). alerts: a compiled pattern of more that must
        not be in the log."""
        self.log = self.records = ""
        self._alerts = [ALERTS, alerts] if alerts else [ALERTS]
        self._ended = False  # it has closed its output: every process of it is gone
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            [*prefix, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=environment, cwd=folder, start_new_session=True)
        self._session = self.process.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.addresses, self.url = [], None
        self._descriptors = None  # known once it serves
        if expect_start:
            self._wait_until_serving()

    def _read(self):
        for line in iter(self.process.stdout.readline, b""):
            text = line.decode(errors="replace")
            with self._changed:
                self.records += text
                self.log += as_written(text)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_for(self, pattern, timeout=START_TIMEOUT):
        """The match of pattern (text or compiled) in the log, once it is there."""
        with self._changed:
            found = self._changed.wait_for(lambda: re.search(pattern, self.log), timeout)
        assert found, f"{pattern!r} did not appear within {timeout} s:\n{self.log}"
        return found

    def wait_for_count(self, pattern, number, timeout=START_TIMEOUT):
        """Wait until the log has so many matches of pattern (text or compiled). Whether there are more shows later:
        when the server has stopped, the log is complete."""
        with self._changed:
            enough = self._changed.wait_for(lambda: len(re.findall(pattern, self.log)) >= number, timeout)
        assert enough, f"{pattern!r} did not appear {number} times within {timeout} s:\n{self.log}"

    def _wait_until_serving(self):
        with self._changed:
            self._changed.wait_for(lambda: SERVING.search(self.log) or self._ended, START_TIMEOUT)
        match = SERVING.search(self.log)
        if not match:
            self.kill()
            raise AssertionError(f"it did not start:\n{self.log}")
        self.addresses = match["addresses"].split(", ")
        self.url = self.addresses[0]
        self._descriptors = Descriptors(self.process.pid)

    @property
    def port(self):
        return int(self.url.rpartition(":")[2])

    def get(self, path="/", **options):
        """The urllib response of a GET."""
        return urllib.request.urlopen(self.url + path, timeout=30, **options)

    def follow(self):
        """Wait until another process serves in place of the supervisor, and has it to itself; from then on that one is
        looked at and stopped. Returns the one before."""
        before = self.process
        pid = self.wait_for(rf"supervisor\[{before.pid}\] supervisor: pid (\d+) serves in our place")[1]
        assert before.wait(START_TIMEOUT) == 0, self.log
        self.process = Successor(int(pid), self)
        self._descriptors = Descriptors(self.process.pid)
        return before

    def workers(self):
        """Pids of the supervisor's children."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as file:
            return [int(pid) for pid in file.read().split()]

    def descriptors(self, pid=None):
        """How many descriptors a process holds."""
        return len(os.listdir(f"/proc/{pid or self.process.pid}/fd"))

    def stop(self, expected=0, crashes=False):
        """SIGTERM, wait, and nothing bad in the log, unless crashes are what the test is about. Returns the exit
        status."""
        leaked = []
        if self.process.poll() is None:
            leaked = self._descriptors.judge() if self._descriptors and not self.keeps else []
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(START_TIMEOUT)
        self._reader.join(START_TIMEOUT)
        self._check_nothing_left()
        assert status == expected, f"exit status {status}:\n{self.log}"
        assert not leaked, "descriptors that nobody needs any more:\n" + "\n".join(leaked) + f"\n{self.log}"
        assert crashes or not any(alerts.search(self.log) for alerts in self._alerts), self.log
        return status

    def kill(self):
        """End every process of its session, at any cost."""
        try:
            os.killpg(self._session, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self._reader.join(START_TIMEOUT)

    def _check_nothing_left(self):
        left = [pid for pid in os.listdir("/proc") if pid.isdigit() and session_of(pid) == self._session]
        if left:
            self.kill()
        assert not left, f"processes left behind: {left}\n{self.log}"


def session_of(pid):
    """The session of a process that has not ended, else None."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(fields[3]) if fields[0] != "Z" else None
