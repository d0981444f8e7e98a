"""The appliance file: members, names, reading and writing. FORMAT.md says what is written here and why.

Used by the build (base.py) and, frozen into the executable as limpet.writer, by pack and inspect.
"""

import collections
import contextlib
import importlib.util
import marshal
import mmap
import os
import struct
import sys
import types
import warnings
import zlib

LOCAL = struct.Struct("<IHHHIIIIHH")
ENTRY = struct.Struct("<IHHHHIIIIHHHHHII")
END = struct.Struct("<IHHHHIIH")
LOCAL_SIGNATURE, ENTRY_SIGNATURE, END_SIGNATURE = 0x04034B50, 0x02014B50, 0x06054B50
VERSION, MADE_BY = 20, 0x0314  # 2.0, on Unix
TIME = 0x00210000  # 1980-01-01 00:00:00
ATTRIBUTES = 0o100644 << 16
UTF8 = 0x0800
STORED, DEFLATED = 0, 8
MEMBERS_MAX = 65534
SIZE_MAX = 0xFFFFFFFF - 1
NAME_MAX, PART_MAX = 1024, 255
PYC_UNCHECKED = 0b01
TEMPORARY = ".tmp"  # behind the name of a file that is being written


class FormatError(Exception):
    """A file that is no appliance file, or cannot become one. The text is one line."""


class Member(collections.namedtuple("Member", "name method crc size stored")):
    """A member as it lies in the file: stored is its (perhaps deflated) bytes."""

    __slots__ = ()

    def content(self):
        """Its bytes, inflated and checked."""
        try:
            content = bytes(self.stored)
            if self.method == DEFLATED:
                content = zlib.decompress(content, -15, max(self.size, 1))
        except zlib.error:
            raise FormatError(f"damaged archive: {self.name}: does not inflate") from None
        if len(content) != self.size or zlib.crc32(content) != self.crc:
            raise FormatError(f"damaged archive: {self.name}: wrong size or check sum")
        return content


def name_fault(name):
    """What keeps a text from being a member's name; None when nothing does."""
    try:
        raw = name.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    parts = raw.split(b"/")
    if len(raw) > NAME_MAX or max(map(len, parts)) > PART_MAX:
        return f"its name is too long (at most {NAME_MAX} bytes, {PART_MAX} between slashes)"
    if b"\\" in raw or b"\0" in raw:
        return "a backslash in its name"
    if any(part in (b"", b".", b"..") for part in parts):
        return "an empty or relative part in its name"
    return None


def encode(name, content, plain=False):
    """The member of that name and content: deflated where that saves 5 %, unless it is to lie there plain."""
    stored, method = content, STORED
    if not plain:
        compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
        deflated = compressor.compress(content) + compressor.flush()
        if len(deflated) * 20 <= len(content) * 19:
            stored, method = deflated, DEFLATED
    return Member(name, method, zlib.crc32(content), len(content), stored)


class Tree:
    """The members of an archive to be. Each knows where it came from, for messages."""

    def __init__(self):
        self.members = {}
        self.origins = {}

    def add(self, name, content, origin, plain=False):
        """Add a member. The same content under the same name twice is fine, another is an error."""
        fault = name_fault(name)
        if fault:
            raise FormatError(f"{shown(origin)}: {fault}")
        member = encode(name, content, plain)
        known = self.members.setdefault(name, member)
        if (known.crc, known.size) != (member.crc, member.size) or known.content() != content:
            raise FormatError(f"{shown(self.origins[name])} and {shown(origin)} differ: "
                              f"both would become {shown(name)}")
        self.origins.setdefault(name, origin)

    def keep(self, member):
        """Add a member of another archive as it is."""
        self.members[member.name] = member
        self.origins[member.name] = member.name

    def check(self):
        """Refuse a name that is both a member and a folder."""
        for name in self.members:
            folder = name.rpartition("/")[0]
            while folder:
                if folder in self.members:
                    raise FormatError(f"{shown(self.origins[folder])} is a file, but a folder in "
                                      f"{shown(self.origins[name])}")
                folder = folder.rpartition("/")[0]


def shown(text):
    """A name as it may stand in a message: on one line, whatever is in it."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


# --- Compiled code ---


def pyc_name(name):
    """The name of the compiled member that belongs to a source: app/x.py -> app/__pycache__/x.cpython-314.pyc."""
    folder, _, base = name.rpartition("/")
    return f"{folder}/__pycache__/{base[:-3]}.{sys.implementation.cache_tag}.pyc"


def _names_inner_class(code):
    if "." in code.co_qualname and code.co_qualname in code.co_consts:
        return True
    return any(_names_inner_class(c) for c in code.co_consts if isinstance(c, types.CodeType))


def compile_source(name, source):
    """The bytes of a pyc member, the same in every process.

    Raises what compile() raises for a bad source: SyntaxError, ValueError, RecursionError and the like.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        code = compile(source, name, "exec", dont_inherit=True, optimize=0)
        if _names_inner_class(code):
            # "Outer.Inner" is marshalled as an interned string or as a plain one, depending on whether the process
            # knew it already (some module has a class of that name). While the first code lives it does.
            known = code
            code = compile(source, name, "exec", dont_inherit=True, optimize=0)
            del known
    header = importlib.util.MAGIC_NUMBER + struct.pack("<I", PYC_UNCHECKED)
    return header + importlib.util.source_hash(source) + marshal.dumps(code)


def add_compiled(tree, name):
    """Add the compiled code of a source in the tree. Returns None, or why it does not compile, in one line."""
    try:
        code = compile_source(name, tree.members[name].content())
    except SyntaxError as error:
        return f"{error.msg} (line {error.lineno})" if error.lineno else str(error.msg)
    except (ValueError, OverflowError, RecursionError, MemoryError) as error:
        return str(error) or type(error).__name__
    tree.add(pyc_name(name), code, tree.origins[name], plain=True)
    return None


# --- Writing ---


def write(path, executable, members):
    """Write the executable and an archive of the members, then put the file in place of what is at path."""
    temporary = path + TEMPORARY
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(temporary, "wb", opener=lambda name, _: os.open(name, flags, 0o600)) as file:
            file.write(executable)
            _write_archive(file, sorted(members, key=lambda member: member.name.encode()))
            file.flush()
            os.fchmod(file.fileno(), 0o755)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:  # also whatever a signal's handler raises, at any point of the above
        if not isinstance(error, OSError):
            _forget(temporary)
        elif error.filename is None:  # a full disk does not say whose
            error.filename = path
            _forget(temporary)
        elif error.filename2 is not None:  # os.replace()
            _forget(temporary)
        raise
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _forget(path):
    with contextlib.suppress(OSError):
        os.unlink(path)


def _write_archive(file, members):
    directory = []
    size = 0
    if len(members) > MEMBERS_MAX:
        raise FormatError(f"{len(members)} files are too many: an appliance holds {MEMBERS_MAX}")
    for member in members:
        name = member.name.encode()
        offset = file.tell()
        if offset + len(member.stored) + size + LOCAL.size + ENTRY.size + 3 * NAME_MAX > SIZE_MAX:
            raise FormatError(f"{shown(member.name)}: the appliance would be larger than 4 GB")
        common = (0 if name.isascii() else UTF8, member.method, TIME, member.crc,
                  len(member.stored), member.size, len(name), 0)
        file.write(LOCAL.pack(LOCAL_SIGNATURE, VERSION, *common))
        file.write(name)
        file.write(member.stored)
        directory.append(ENTRY.pack(ENTRY_SIGNATURE, MADE_BY, VERSION, *common, 0, 0, 0, ATTRIBUTES, offset))
        directory.append(name)
        size += ENTRY.size + len(name)
    offset = file.tell()
    file.write(b"".join(directory))
    file.write(END.pack(END_SIGNATURE, 0, 0, len(members), len(members), size, offset, 0))


# --- Reading ---


def executable_size(data):
    """Bytes of the ELF executable that data starts with, by its section header table; None when it is none."""
    if len(data) < 64 or data[:4] != b"\x7fELF" or data[4] not in (1, 2) or data[5] != 1:
        return None
    wide = data[4] == 2
    table = struct.unpack_from("<Q" if wide else "<I", data, 40 if wide else 32)[0]
    entry, count = struct.unpack_from("<HH", data, 58 if wide else 46)
    return max(table + entry * count, 64 if wide else 52)


def read(path):
    """Map an appliance file. Returns its executable and a dict of its members, all views of the mapping."""
    with open(path, "rb") as file:
        try:
            data = memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
        except ValueError:
            raise FormatError("not a limpet binary: the file is empty") from None
    size = executable_size(data)
    if size is None:
        raise FormatError("not a limpet binary: not an executable")
    if size >= len(data):
        raise FormatError("no archive behind the executable: not a limpet binary, or truncated")
    members = _read_archive(data, size)
    start = members[0][0] if members else len(data) - END.size
    return data[:start], {member.name: member for _, member in members}


def _read_archive(data, executable):
    """List (offset, member) of the archive behind the executable."""
    try:
        end = len(data) - END.size
        signature, _, _, _, count, size, offset, comment = END.unpack_from(data, end)
        if signature != END_SIGNATURE or comment != 0 or offset + size != end or offset < executable:
            raise FormatError("damaged archive: it does not end with the file (truncated, or appended to?)")
        members, position = [], offset
        for _ in range(count):
            place, member = _read_member(data, position, offset)
            members.append((place, member))
            position += ENTRY.size + len(member.name.encode())
        if position != end or (members and members[0][0] < executable):
            raise FormatError("damaged archive: there are bytes that belong to no member")
        return members
    except (struct.error, UnicodeDecodeError):
        raise FormatError("damaged archive: its directory cannot be read") from None


def _read_member(data, position, directory):
    """The member whose entry is at position, and the offset of its local header."""
    entry = ENTRY.unpack_from(data, position)
    (signature, _, _, flags, method, _, crc, stored, size, length, extra, comment, _, _, _, offset) = entry
    name = str(data[position + ENTRY.size : position + ENTRY.size + length], "utf-8")
    if signature != ENTRY_SIGNATURE or extra or comment or flags & ~UTF8 or method not in (STORED, DEFLATED):
        raise FormatError(f"damaged archive: bad directory entry at offset {position}")
    if name_fault(name) or offset + LOCAL.size + length + stored > directory:
        raise FormatError(f"damaged archive: bad member at offset {position}")
    start = offset + LOCAL.size + length
    return offset, Member(name, method, crc, size, data[start : start + stored])
