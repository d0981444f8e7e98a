"""A tree of files as packages carry it: names, modes and contents, without anything of the machine that it was made on.

Written as a tar (POSIX ustar) or into a folder, sorted by name, all owned by root, all of one time: the same tree gives the
same bytes.
"""

import io
import os
import tarfile

FILE, PROGRAM, FOLDER = 0o644, 0o755, 0o755


class Tree:
    """Names are relative, without a "/" in front. Folders follow from the names of what lies in them."""

    def __init__(self):
        self.files = {}  # name: (mode, bytes)
        self.folders = {}  # name: mode, of those that were asked for
        self.owners = {}  # name: (user id, group id), of what is not root's

    def add(self, name, content, mode=FILE):
        """content: bytes, or text, which is written as UTF-8."""
        self.files[name] = (mode, content.encode() if isinstance(content, str) else content)

    def add_folder(self, name, mode=FOLDER, owner=(0, 0)):
        self.folders[name] = mode
        self.owners[name] = owner

    def all_folders(self):
        """{name: mode} of every folder, "" (the root) left out."""
        found = dict(self.folders)
        for name in [*self.files, *self.folders]:
            while name := os.path.dirname(name):
                found.setdefault(name, FOLDER)
        return found

    def size(self):
        """Bytes of all files."""
        return sum(len(content) for _, content in self.files.values())

    def write_tar(self, epoch, prefix=""):
        """The bytes of a tar, not compressed. epoch: the time of everything in it, seconds since 1970. prefix: "./" or a
        folder's name and "/"."""
        raw = io.BytesIO()
        folders = self.all_folders()
        with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name in sorted([*folders, *self.files, *([""] if prefix else [])]):
                member = tarfile.TarInfo((prefix + name).rstrip("/") or name)
                member.mtime = epoch
                member.uname = member.gname = ""
                member.uid, member.gid = self.owners.get(name, (0, 0))
                if name in self.files:
                    member.mode, content = self.files[name]
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
                else:
                    member.type, member.mode = tarfile.DIRTYPE, folders.get(name, FOLDER)
                    archive.addfile(member)
        return raw.getvalue()

    def write_folder(self, folder, epoch):
        """Below a folder (pathlib.Path) that is there; owners are whoever calls."""
        folders = self.all_folders()
        folder.chmod(FOLDER)
        for name, mode in sorted(folders.items()):
            (folder / name).mkdir()
            (folder / name).chmod(mode)
        for name, (mode, content) in self.files.items():
            (folder / name).write_bytes(content)
            (folder / name).chmod(mode)
        for name in [*self.files, *sorted(folders, reverse=True), ""]:
            os.utime(folder / name, (epoch, epoch))
