"""What an installation is made of: its places, the manifest that remembers it, and steps that can be undone.

A manifest is JSON: version, name, complete (false while it is being made), options (those given, as words), user
({name, made}: whether it is ours), files ({path: [SHA-256, ...]}: what they may be and still be ours), folders that
are ours, and binary (the SHA-256 of what the service runs, whoever has put it there).
"""

import contextlib
import fcntl
import grp
import hashlib
import json
import os
import pwd
import shlex
import shutil
import signal
import subprocess
import sys

from limpet.writer import shown

MANIFESTS = "/var/lib/limpet"
VERSION = 1
RUNNING = "/run/systemd/system"  # sd_booted(3)
LOCK = f"{MANIFESTS}/.lock"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class InstallError(Exception):
    """What keeps us from it, in one line for the operator."""


class CommandError(InstallError):
    """A program that failed."""


def main(tool, name, work):
    """Run work() as a tool of the operator's. The exit status; an error is one line on standard error."""
    try:
        work()
    except InstallError as error:
        print(f"{name} {tool}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{name} {tool}: {reason(error)}", file=sys.stderr)
        return 1
    return 0


def reason(error):
    """An OSError in a few words."""
    where = f"{shown(os.fsdecode(error.filename))}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def told_error(error):
    """Any exception in a few words."""
    if isinstance(error, InstallError):
        return str(error)
    return reason(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"


def require_root(tool, name, dry_run):
    """Refuse everybody else, unless nothing is to be done."""
    if os.geteuid() != 0 and not dry_run:
        raise InstallError(f"only root may do that (write: sudo {shown(sys.executable)} {tool}; --dry-run is for "
                           "everybody)")


def digest(path):
    """The SHA-256 of a file; None where there is none."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def text_digest(content):
    """The SHA-256 of bytes."""
    return hashlib.sha256(content).hexdigest()


def systemd_runs():
    """Whether systemd is this machine's init, now."""
    return os.path.isdir(RUNNING)


@contextlib.contextmanager
def locked():
    """Nobody else installs or uninstalls meanwhile. What is made for that is removed at the end."""
    fd = None
    try:
        while fd is None:
            fd = lock()
        yield
    finally:
        if fd is not None:
            remove(LOCK)
            os.close(fd)
        with contextlib.suppress(OSError):
            os.rmdir(MANIFESTS)  # where nothing is installed


def lock():
    """A descriptor that holds the lock; None where its file or folder was just removed by who had it: try again."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(MANIFESTS, 0o755)
    try:
        fd = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(fd), os.stat(LOCK)):
            return fd
    except BlockingIOError:
        os.close(fd)
        raise InstallError("another install or uninstall is at work on this machine: wait for its end") from None
    except FileNotFoundError:
        pass
    os.close(fd)
    return None


# --- The manifest ---


def manifest_path(name):
    """Where the installation of that name is remembered."""
    return f"{MANIFESTS}/{name}.json"


def read_manifest(name):
    """The manifest; None where nothing of that name is installed."""
    path = manifest_path(name)
    try:
        with open(path, encoding="utf-8") as file:
            manifest = json.load(file)
        if manifest["version"] != VERSION or manifest["name"] != name or not isinstance(manifest["files"], dict):
            raise ValueError
        manifest["options"], manifest["folders"], manifest["complete"]
        manifest["user"]["name"], manifest["user"]["made"]
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise InstallError(f"{path}: is no list of what was installed, or a newer version's; nothing was "
                           "done") from None
    return manifest


def manifest_text(manifest):
    """The file's content."""
    return (json.dumps({"version": VERSION, **manifest}, indent=1) + "\n").encode()


# --- Steps ---
#
# Each has a text, which says what it does (the first line is printed when it is done, all of them by --dry-run), and
# do(undo), which appends to undo what takes it back, before it is needed; calls at the front of undo are made last.


class Folder:
    """Make a folder. owner: (user, group), names, or numbers that have none; None: root's. scratch: what is in it when it
    is undone goes, too."""

    def __init__(self, path, mode=0o755, owner=None, scratch=False):
        self.path, self.mode, self.owner, self.scratch = path, mode, owner, scratch
        whose = f", {owner[0]}:{owner[1]}" if owner else ""
        self.text = [f"make the folder {path} ({mode:04o}{whose})"]

    def do(self, undo):
        os.mkdir(self.path, 0o700)
        undo.append(lambda: (shutil.rmtree if self.scratch else os.rmdir)(self.path))
        if self.owner:
            os.chown(self.path, *numbers(*self.owner))
        os.chmod(self.path, self.mode)


def numbers(user, group):
    """The numbers of a user and a group; texts of digits alone are such numbers."""
    return (int(user) if user.isdecimal() else pwd.getpwnam(user).pw_uid,
            int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid)


def beside(path, what):
    """The names that a file has while it is written: what is to come ("new"), and what was there before."""
    folder, name = os.path.split(path)
    return f"{folder}/.{name}.limpet-{what}"


class File:
    """Write a file, whole or not at all. content: bytes, or the path of a file to copy. replaces: there may be one.
    draft: another step writes it once more; nobody is told of this one."""

    def __init__(self, path, content, mode, replaces=False, draft=False):
        self.path, self.content, self.mode, self.replaces, self.draft = path, content, mode, replaces, draft
        self.new, self.old = beside(path, "new"), beside(path, "before" if draft else "old")
        if isinstance(content, bytes):
            self.text = [f"write {path} ({mode:04o})", *("    " + line for line in content.decode().splitlines())]
        else:
            self.text = [f"copy {shown(content)} to {path} ({mode:04o})"]

    def do(self, undo):
        for leftover in self.new, self.old:
            remove(leftover)
        undo.append(lambda: remove(self.new))
        try:
            with open(self.new, "xb") as out:
                os.fchmod(out.fileno(), 0o600)
                self.write(out)
                os.fchmod(out.fileno(), self.mode)
                out.flush()
                os.fsync(out.fileno())
        except OSError as error:
            raise InstallError(f"{self.path}: cannot be written: {error.strerror or error}") from None
        if self.replaces and os.path.lexists(self.path):
            os.link(self.path, self.old, follow_symlinks=False)
            undo.append(lambda: os.path.lexists(self.old) and os.rename(self.old, self.path))
            os.rename(self.new, self.path)
        else:
            os.link(self.new, self.path)  # not over somebody else's that has come meanwhile
            undo.append(lambda: remove(self.path))
            os.unlink(self.new)
        sync(os.path.dirname(self.path))

    def write(self, out):
        if isinstance(self.content, bytes):
            out.write(self.content)
            return
        with open(self.content, "rb") as file:
            shutil.copyfileobj(file, out, 1 << 20)

    def finish(self):
        """When nothing is to be undone any more."""
        remove(self.old)


class Command:
    """Run a program. back: the one that undoes it; last: when all else is undone, as what it works on is the same."""

    def __init__(self, *words, back=None, last=False, hint=""):
        self.words, self.back, self.last, self.hint = words, back, last, hint
        self.text = ["run " + shlex.join(words)]

    def do(self, undo):
        if self.back:
            undo.insert(0 if self.last else len(undo), lambda: call(self.back))
        call(self.words, self.hint)


class User(Command):
    """Make a user, by useradd's arguments, of which the name is the last."""

    def __init__(self, *words):
        super().__init__("useradd", *words)

    def do(self, undo):
        # Undone only if we have made the user, not another one meanwhile; so a signal waits until that is known.
        name = self.words[-1]
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            call(self.words)
            undo.append(lambda: is_user(name) and call(("userdel", name)))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def is_user(name):
    """Whether the machine has a user of that name."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def call(words, hint=""):
    """Run a program to its end, out of reach of the terminal's keys. CommandError has its first words; hint is where to
    look further."""
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              encoding="utf-8", errors="replace", check=False, start_new_session=True)
    except OSError as error:
        raise CommandError(f"{shlex.join(words)}: {error.strerror}") from None
    if done.returncode != 0:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        said = shown(lines[0]) if lines else f"it ended with status {done.returncode}"
        raise CommandError(f"{shlex.join(words)}: {said}{hint}")


def remove(path):
    """Remove a file, if it is there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def sync(folder):
    """Have a folder's names survive a loss of power."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def interrupt(number, frame):
    """A signal that would end us ends the step, so that it is undone."""
    raise InstallError(f"interrupted by {signal.Signals(number).name}")


def told(steps):
    """The steps that the operator hears of."""
    return [step for step in steps if not isinstance(step, File) or not step.draft]


def perform(steps):
    """Do the steps, or none of them: where one fails, those before it are undone. Returns the lines to print."""
    undo = []
    for number in SIGNALS:
        signal.signal(number, interrupt)
    try:
        for step in steps:
            step.do(undo)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
    except BaseException as error:  # whatever it is, nothing is left half done
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise InstallError(told_error(error) + undone(undo)) from None
    for step in steps:
        if isinstance(step, File):
            step.finish()
    return [step.text[0] for step in told(steps)]


def undone(undo):
    """Undo what was done. Returns the rest of the error's line: whether that is all."""
    problems = []
    for back in reversed(undo):
        try:
            back()
        except Exception as error:  # the others are undone all the same
            problems.append(told_error(error))
    if problems:
        return f"; what could not be undone: {'; '.join(problems)}"
    return "; all is as it was"
