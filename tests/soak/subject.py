"""The server under the soak: its supervisor, which may be another process after an upgrade, its workers, and what they
cost."""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import signal
import socket

from server import START_TIMEOUT, Server, Successor, eventually, session_of

FOLDER = pathlib.Path(__file__).parent
PROBLEM = re.compile(r"^\S+ (?:error|warning) .*$", re.MULTILINE)


@dataclasses.dataclass
class Cost:
    """What a settled server holds."""
    supervisor: list  # its descriptors but those of certificates, as what they are
    certificates: int  # those: the present ones, and former ones for workers that start
    workers: list     # of each worker, how many descriptors
    private: int      # KB of memory that the supervisor alone has written to
    anonymous: int    # KB, what it shares with workers since their fork included


class Subject:
    """A running server with a pid file and a control socket in a folder. tls: what clients go by; None: plain HTTP."""

    def __init__(self, limpet, folder, *options, target="application:app", working_dir=FOLDER, tls=None):
        self.tls = tls
        self.pid_file, self.control = folder / "pid", folder / "control"
        self.server = Server([limpet, "serve", target, "--working-dir", working_dir, "--port", 0, "--pid-file",
                              self.pid_file, "--control-socket", self.control, *options])
        self.session = self.server.process.pid

    @property
    def pid(self):
        """The supervisor's, now."""
        return int(self.pid_file.read_text())

    def signal(self, number):
        os.kill(self.pid, number)

    def status(self):
        """What the supervisor says of itself and of its workers."""
        answer = b""
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(START_TIMEOUT)
            peer.connect(str(self.control))
            peer.sendall(b"status json\n")
            while piece := peer.recv(1 << 16):
                answer += piece
        word, _, text = answer.partition(b"\n")
        assert word == b"ok", answer
        return json.loads(text)

    def serving(self):
        """Pids of the workers that serve."""
        return [worker["pid"] for worker in self.status()["workers"] if worker["state"] == "serving"]

    def has(self, workers):
        """Whether so many serve, and none is on its way to replace one."""
        states = [worker["state"] for worker in self.status()["workers"]]
        return states.count("serving") == workers and not {"starting", "backing off"} & set(states)

    def processes(self):
        """Of its session, the supervisor and all workers."""
        return {int(pid) for pid in os.listdir("/proc") if pid.isdigit() and session_of(pid) == self.session}

    def is_settled(self, workers):
        """Whether the supervisor and so many idle workers are all that is left."""
        status = self.status()
        pids = {worker["pid"] for worker in status["workers"]}
        return (len(pids) == workers == status["workers_wanted"] and self.processes() == pids | {status["pid"]}
                and all((worker["state"], worker["connections"]) == ("serving", 0) for worker in status["workers"]))

    def settle(self, workers):
        """Wait for that, and see what it costs."""
        if self.server.process.pid != self.pid:
            self.server.process.wait(START_TIMEOUT)
            self.server.process = Successor(self.pid, self.server)
        try:
            eventually(lambda: self.is_settled(workers))
        except AssertionError as error:
            raise AssertionError(f"not settled: {self.status()} {self.processes()}\n{self.server.log[-4000:]}") from error
        return self.cost()

    def cost(self):
        pid, folder = self.pid, pathlib.Path(f"/proc/{self.pid}")
        memory = dict(re.findall(r"^(\w+): +(\d+) kB", (folder / "smaps_rollup").read_text(), re.MULTILINE))
        links = sorted(re.sub(r"\d+", "N", os.readlink(link)) for link in (folder / "fd").iterdir())
        others = [link for link in links if "limpet-tls" not in link]
        return Cost(others, len(links) - len(others), [self.server.descriptors(worker) for worker in self.children()],
                    int(memory["Private_Dirty"]), int(memory["Anonymous"]))

    def children(self):
        """Pids of the processes that the supervisor has started."""
        pid = self.pid
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(child) for child in file.read().split()]

    def ended(self):
        """How many workers have ended so far."""
        return len(re.findall(r"worker \d+ \(pid \d+\) (?:exited|killed)", self.server.log))

    def problems(self, *expected):
        """Lines of the log that nobody wants to see."""
        return [line for line in PROBLEM.findall(self.server.log) if not any(re.search(text, line) for text in expected)]

    def end(self):
        """At any cost."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.server.kill()
