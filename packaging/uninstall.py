"""limpet uninstall: remove what install has made, and nothing else.

    NAME [--dry-run]

What was changed since, and folders with something in them, are kept and named. Who is interrupted begins again: what is
to be removed is remembered until all of it is.
"""

import contextlib
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
    with contextlib.nullcontext() if dry_run else installation.locked():
        uninstall_locked(name, dry_run)


def uninstall_locked(name, dry_run):
    """The same, when nobody else does it."""
    manifest = installation.read_manifest(name)
    if manifest is None:
        raise InstallError(f"{shown(name)} is not installed (there is no {shown(installation.manifest_path(name))})")
    removal = Removal(dry_run)
    service = f"{name}.service"
    systemctl, runs = shutil.which("systemctl"), installation.systemd_runs()
    if systemctl and os.path.lexists(f"{UNITS}/{service}"):
        removal.run("systemctl", "disable", *(["--now"] if runs else []), service)
    elif systemctl:
        # Whoever has removed the unit may not have stopped the service; disable refuses --now then.
        if runs:
            removal.run("systemctl", "stop", service, missing=("not loaded", "not found"))
        removal.run("systemctl", "disable", service, missing=("does not exist", "not found", "No such file"))
    for path, digests in manifest["files"].items():
        removal.file(path, digests)
    if systemctl and runs:
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

    def run(self, *words, missing=()):
        """Run a program. missing: what it says where there is nothing to do for it."""
        step = installation.Command(*words)
        try:
            if not self.dry:
                step.do([])
        except installation.CommandError as error:
            if not any(part in str(error) for part in missing):
                raise
            return
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
        if not os.path.lexists(path):
            return
        if os.path.islink(path) or not os.path.isdir(path):
            print(f"kept {path}: it is no folder any more")
            return
        if os.listdir(path):
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
