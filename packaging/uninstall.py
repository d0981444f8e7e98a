"""limpet uninstall: remove what install has made, and nothing else.

    NAME [--dry-run]

What was changed since, and folders with something in them, are kept and named. Who is interrupted begins again: what is
to be removed is remembered until all of it is.
"""

import os
import shutil

from limpet import installation
from limpet.installation import InstallError, digest
from limpet.writer import shown

UNITS = "/etc/systemd/system"


def main(arguments):
    """Uninstall. The exit status; what was done is on standard output, an error on standard error."""
    name, *flags = arguments
    return installation.main("uninstall", name, lambda: uninstall(name, bool(flags)))


def uninstall(name, dry_run):
    """Remove it; with dry_run only show what would be removed."""
    installation.require_root("uninstall", name, dry_run)
    manifest = installation.read_manifest(name)
    if manifest is None:
        raise InstallError(f"{shown(name)} is not installed (there is no {shown(installation.manifest_path(name))})")
    removal = Removal(dry_run)
    service = f"{name}.service"
    systemctl = shutil.which("systemctl") and os.path.lexists(f"{UNITS}/{service}")
    if systemctl:
        removal.run("systemctl", "disable", *(["--now"] if installation.systemd_runs() else []), service)
    for path, digests in manifest["files"].items():
        removal.file(path, digests)
    if systemctl and installation.systemd_runs():
        removal.run("systemctl", "daemon-reload")
    if manifest["user"]["made"] and installation.is_user(manifest["user"]["name"]):
        removal.run("userdel", manifest["user"]["name"])
    for path in reversed(manifest["folders"]):
        removal.folder(path)
    removal.forget(name)


class Removal:
    """Removes, and says so; dry: says what it would do."""

    def __init__(self, dry):
        self.dry = dry

    def run(self, *words):
        """Run a program."""
        step = installation.Command(*words)
        if not self.dry:
            step.do([])
        print(step.text[0])

    def file(self, path, digests):
        """Remove a file, if it is as it was installed."""
        for leftover in (installation.beside(path, what) for what in ("new", "old")):
            if os.path.lexists(leftover):
                self.unlink(leftover)
        now = digest(path) if not os.path.islink(path) else ""
        if now is None:
            return
        if now not in digests:
            print(f"kept {path}: it was changed since it was installed")
            return
        self.unlink(path)

    def unlink(self, path):
        """Remove a file."""
        if not self.dry:
            os.unlink(path)
        print(f"remove {path}")

    def folder(self, path):
        """Remove a folder, if nothing is in it."""
        try:
            with os.scandir(path) as entries:
                empty = next(entries, None) is None
        except FileNotFoundError:
            return
        if not empty:
            print(f"kept {path}: there is something in it")
            return
        if not self.dry:
            os.rmdir(path)
        print(f"remove the folder {path}")

    def forget(self, name):
        """Remove the manifest, and the folder of all of them with the last one."""
        path = installation.manifest_path(name)
        for leftover in (installation.beside(path, what) for what in ("new", "old", "before")):
            if os.path.lexists(leftover):
                self.unlink(leftover)
        self.unlink(path)
        if self.dry:
            print("nothing was done")
            return
        if not os.listdir(installation.MANIFESTS):
            os.rmdir(installation.MANIFESTS)
