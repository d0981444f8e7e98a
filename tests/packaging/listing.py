"""What is in a file system, to be compared with what is there later: for the machines that tests of installing have."""

import hashlib
import os
import stat

# Locks of the programs that change users, and what their files were before.
LEFT_BY_USERS = frozenset(("/etc/.pwd.lock", "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/subuid-",
                           "/etc/subgid-"))


def digest(path, _status):
    """Of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def entry(path, content_of=digest):
    """A file, folder or link as a tuple: mode, user, group, content; content_of(path, status): that of a file."""
    status = os.lstat(path)
    content = None
    if stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    elif stat.S_ISREG(status.st_mode):
        content = content_of(path, status)
    return oct(status.st_mode), status.st_uid, status.st_gid, content
