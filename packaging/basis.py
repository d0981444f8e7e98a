"""What pack appends an application to: the running executable, or the limpet of another machine that --base names.

Both have to be the same limpet with the same Python: code is compiled here and unmarshalled there.
"""

import collections
import os
import sys

from limpet import machine, writer
from limpet.writer import FormatError, shown

SETTINGS, PARTS = "limpet/settings", "limpet/parts"

# executable and members as writer.read() gives them; target: the machine's name where --base was given, else None;
# foreign: whether that is another machine than this one.
Basis = collections.namedtuple("Basis", "executable members target foreign")


class BasisError(Exception):
    """Why nothing can be appended to a file, in one line for the operator."""


def own():
    """The running executable as a Basis. Raises BasisError."""
    try:
        return Basis(*writer.read(sys.executable), None, False)
    except FormatError as error:
        raise BasisError(f"{shown(sys.executable)}: {error}") from None


def named(path, here):
    """The bare limpet at path as a Basis; here: own(). Raises BasisError, OSError."""
    where = f"--base {shown(path)}"
    if not os.path.exists(path):
        raise BasisError(f"{where}: no such file")
    if not os.path.isfile(path):
        raise BasisError(f"{where}: is {'a folder' if os.path.isdir(path) else 'no regular file'}: name a limpet binary")
    try:
        executable, members = writer.read(path)
        check(members, here.members)
        for member in members.values():  # a file from elsewhere: its damage is not to be passed on
            member.content()
    except (FormatError, BasisError) as error:
        raise BasisError(f"{where}: {error}") from None
    target = machine.name(executable)
    return Basis(executable, members, target, target != machine.name(here.executable))


def check(members, own_members):
    """Raise BasisError unless these are the members of a bare limpet of our own version and Python."""
    if PARTS not in members:
        raise BasisError("not a limpet binary: its archive is another program's")
    if SETTINGS in members:
        raise BasisError("is a packed application: name limpet itself as it was built for that machine")
    theirs, ours = versions(members), versions(own_members)
    for part, called in ("limpet", "limpet"), ("python", "Python"):
        if theirs.get(part) != ours.get(part):
            raise BasisError(f"has {called} {shown(theirs.get(part, 'of no version'))}, and this is {called} "
                             f"{ours.get(part, 'of no version')}: pack with the version that it has")


def versions(members):
    """{part: version} of an archive."""
    if PARTS not in members:
        return {}
    lines = members[PARTS].content().decode("utf-8", "replace").splitlines()
    return dict(line.split(" ")[:2] for line in lines if line.count(" ") >= 1)
