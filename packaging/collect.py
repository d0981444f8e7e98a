"""Which files of a folder are packed: the walk, what it leaves out, and what it refuses."""

import fnmatch
import os
import re
import stat

from limpet.writer import FormatError, shown

# Left out, by name: the pattern, whether it is meant for folders, and what the report says (None: nothing, since
# nobody expects it in an appliance).
EXCLUDED = (
    ("__pycache__", True, None),
    ("*.pyc", False, None),
    (".git", True, None),
    (".git", False, None),  # a work tree's pointer to its repository
    (".hg", True, None),
    (".svn", True, None),
    (".bzr", True, None),
    (".venv", True, None),
    ("node_modules", True, None),
    (".tox", True, None),
    (".nox", True, None),
    (".mypy_cache", True, None),
    (".pytest_cache", True, None),
    (".ruff_cache", True, None),
    (".DS_Store", False, None),
    ("*.egg-link", False, "belongs to an editable install: install the project itself"),
    ("__editable__*", False, "belongs to an editable install: install the project itself"),
    (".env", False, "secrets do not belong into an appliance: set its environment instead"),
)
VIRTUAL_ENVIRONMENT = "pyvenv.cfg"
NATIVE = re.compile(r"\.(so|pyd|dylib|dll)$|\.so(\.[0-9]+)+$")

KINDS = (
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class Walk:
    """The files below a folder: files is a list of (name relative to it, path), sorted; native the like of native
    extension modules and libraries; notes what was left out and why, one line each.

    skip: real paths that are passed over (the file about to be written).
    """

    def __init__(self, root, skip=()):
        self.root = root
        self.real_root = os.path.realpath(root)
        self.skip = frozenset(skip)
        self.skip_names = {os.path.basename(path) for path in self.skip}
        self.files = []
        self.native = []
        self.notes = []
        status = os.stat(root)
        self._walk("", root, [(status.st_dev, status.st_ino)])
        self.files.sort(key=lambda file: os.fsencode(file[0]))

    def _walk(self, prefix, folder, ancestors):
        """Take up a folder. ancestors: device and inode of it and of those above it."""
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: os.fsencode(entry.name))
        except PermissionError:
            self._note(folder, "may not be read")
            return
        for entry in entries:
            path = os.path.join(folder, entry.name)
            status = self._status(entry, path)
            if status is None or self._excluded(entry.name, path, stat.S_ISDIR(status.st_mode)):
                continue
            name = prefix + entry.name
            if stat.S_ISREG(status.st_mode):
                (self.native if NATIVE.search(name) else self.files).append((name, path))
            elif stat.S_ISDIR(status.st_mode):
                identity = (status.st_dev, status.st_ino)
                if identity in ancestors:
                    raise FormatError(f"{shown(path)}: a symbolic link to a folder that it lies in")
                self._walk(name + "/", path, [*ancestors, identity])
            else:
                kind = next((text for test, text in KINDS if test(status.st_mode)), "no file")
                self._note(path, kind)

    def _status(self, entry, path):
        """What stat says of it, links followed; None to pass over it."""
        if not entry.is_symlink():
            return entry.stat()
        if self._excluded(entry.name, path, None):
            return None
        real = os.path.realpath(path)
        if os.path.commonpath((self.real_root, real)) != self.real_root:
            raise FormatError(f"{shown(path)}: a symbolic link out of {shown(self.root)}, to {shown(real)}")
        try:
            return os.stat(path)
        except OSError as error:
            raise FormatError(f"{shown(path)}: a symbolic link that leads nowhere: {error.strerror}") from None

    def _excluded(self, name, path, folder):
        """Whether to leave it out; folder: whether it is one, None for a link that may lead to either."""
        if name in self.skip_names and os.path.realpath(path) in self.skip:
            return True
        for pattern, for_folders, reason in EXCLUDED:
            if folder in (None, for_folders) and fnmatch.fnmatchcase(name, pattern):
                if reason:
                    self._note(path, reason)
                return True
        return bool(folder) and os.path.lexists(os.path.join(path, VIRTUAL_ENVIRONMENT))

    def _note(self, path, reason):
        self.notes.append(f"left out: {shown(path)}: {reason}")

    def read(self):
        """Yield (name, path, content) of every file; one that may not be read becomes a note."""
        for name, path in self.files:
            try:
                with open(path, "rb") as file:
                    content = file.read()
            except PermissionError:
                self._note(path, "may not be read")
                continue
            yield name, path, content
