"""A root folder that has a binary in it and nothing else: no /lib, no /usr, no /etc, no /proc and no /dev."""

import shutil
import subprocess

NOBODY = 65534


class EmptyRoot:
    """path: the folder. What runs in it is nobody, who may write to /data and /tmp alone."""

    def __init__(self, path, binary, serve):
        """Copy the binary there. serve: that of conftest.py."""
        path.chmod(0o755)
        shutil.copy(binary, path)
        for name in ("data", "tmp"):
            (path / name).mkdir()
            shutil.chown(path / name, NOBODY, NOBODY)
        self.path = path
        self._serve = serve
        self._binary = f"/{binary.name}"
        self._prefix = [shutil.which("chroot"), f"--userspec={NOBODY}:{NOBODY}", path]

    def command(self, *arguments):
        """What runs the binary with these arguments."""
        return [*self._prefix, self._binary, *arguments]

    def run(self, *arguments, environment=None):
        """The binary with these arguments, which must succeed: its output."""
        done = subprocess.run(self.command(*arguments), env=environment or {}, capture_output=True,
                              text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def serve(self, *arguments, environment=None, **options):
        """What the binary serves: a Server."""
        return self._serve(*arguments, binary=self._binary, prefix=self._prefix, environment=environment or {},
                           **options)
