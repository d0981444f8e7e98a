"""A control group with a limit of memory, of version 2 or of version 1, whichever this machine has its memory in."""

import os
import pathlib
import subprocess
import uuid

ROOT = pathlib.Path("/sys/fs/cgroup")
ENTER = 'echo $$ > "$0/cgroup.procs" && exec "$@"'


class NoGroup(Exception):
    """None can be made here: why."""


class ControlGroup:
    """A new one; only while it is entered is it there. What was started in it has to have ended by then."""

    def __init__(self):
        self._is_v1 = (ROOT / "memory/memory.limit_in_bytes").exists()
        self._folder = (ROOT / "memory" if self._is_v1 else ROOT) / f"limpet-{uuid.uuid4()}"
        self._below = self._folder / "below"

    def __enter__(self):
        if os.geteuid() != 0:
            raise NoGroup("needs root: a control group")
        try:
            self._below.mkdir(parents=True)
            if not (self._folder / self._limit).exists():
                raise NoGroup(f"groups in {ROOT} have no limit of memory of their own")
            # What a container sees as the root is not what its processes are told to be in.
            seen = subprocess.run([*self.within(), "cat", "/proc/self/cgroup"], check=True, capture_output=True,
                                  text=True, timeout=60).stdout
            if f":/{self._folder.name}\n" not in seen:
                raise NoGroup("paths of control groups are not those of the machine here")
        except OSError as error:
            self._remove()
            raise NoGroup(f"no control group can be made: {error.strerror}") from error
        except (NoGroup, subprocess.CalledProcessError) as error:
            self._remove()
            raise NoGroup(f"no control group can be used: {error}") from error
        return self

    def __exit__(self, *_):
        self._remove()

    def _remove(self):
        for folder in self._below, self._folder:
            if folder.exists():
                folder.rmdir()

    @property
    def _limit(self):
        return "memory.limit_in_bytes" if self._is_v1 else "memory.max"

    def limit(self, size):
        """So many bytes for all that is in it, and below."""
        (self._folder / self._limit).write_text(str(size))

    def within(self, below=False):
        """The command that runs another one (appended) in it, or in a group below that has no limit of its own."""
        return ["/bin/sh", "-c", ENTER, str(self._below if below else self._folder)]
