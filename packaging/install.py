"""limpet install: a packed application as a service of systemd.

    NAME ARGUMENTS SETTINGS [--dry-run]

NAME is the appliance's own, ARGUMENTS are the server's options that were given, one a line as on a command line, and
SETTINGS all that it will run with, as "key = value" lines. They were checked by the table of options before.
"""

import contextlib
import grp
import os
import pwd
import re
import shutil
import sys

from limpet import installation, unit, writer
from limpet.installation import Command, File, Folder, InstallError, User
from limpet.writer import FormatError, shown

BINARIES, UNITS, STATES = "/usr/local/bin", "/etc/systemd/system", "/var/lib"
# useradd's rule, and systemd's for unit names.
NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")
RESERVED = ("limpet", "systemd")
OTHER_UNITS = ("/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
OTHER_BINARIES = ("/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/sbin")
NO_LOGIN = ("/usr/sbin/nologin", "/sbin/nologin", "/bin/false")


def main(arguments):
    """Install. The exit status; what was done is on standard output, an error on standard error."""
    name, given, text, *flags = arguments
    settings = {}
    for line in lines(text):
        key, _, value = line.partition(" = ")
        settings.setdefault(key, []).append(value)
    return installation.main("install", name, lambda: install(name, lines(given), settings, bool(flags)))


def lines(text):
    """The lines of a text, by newlines alone: what else ends a line may be part of a value."""
    return [line for line in text.split("\n") if line]


def install(name, given, settings, dry_run):
    """Look at the machine, make the plan, and carry it out; with dry_run only show it."""
    installation.require_root("install", name, dry_run)
    check_name(name)
    with contextlib.nullcontext() if dry_run else installation.locked():
        install_locked(name, given, settings, dry_run)


def install_locked(name, given, settings, dry_run):
    """The same, when nobody else does it."""
    before = installation.read_manifest(name)
    if before and before["options"] and not given:
        # Those of before, through the table of options of this version.
        # The lock ends with this program, and what was said of the environment is not said again.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("LIMPET_")}
        os.execve(sys.executable, [name, "install", *before["options"], *(["--dry-run"] if dry_run else [])],
                  environment)
    plan = Plan(name, given, settings, before)
    steps = plan.steps()
    if dry_run:
        for step in installation.told(steps):
            print("\n".join(step.text))
        print("\n".join([*plan.notes, "nothing was done"]))
        return
    for line in [*installation.perform(steps), *plan.notes, *plan.summary(bool(steps))]:
        print(line)


# --- What is refused ---


def check_name(name):
    """Refuse names that no unit or user can have, and machines that have no systemd."""
    if not NAME.fullmatch(name) or name in RESERVED:
        raise InstallError(f"a service cannot be called {shown(name)}: rename this file (to lower-case letters, "
                           "digits, - and _, a letter first; not limpet or systemd)")
    if not shutil.which("systemctl"):
        raise InstallError("there is no systemd on this machine (no systemctl): have its init start "
                           f"{shown(sys.executable)}")


def check_paths(given, settings):
    """Refuse paths that are relative to wherever the operator is now, and what would have no place at the start."""
    for argument in given:
        option, _, value = argument.removeprefix("--").partition("=")
        for path in unit.values(option, value) if option not in unit.ROUTES else ():
            if not path.startswith("/"):
                raise InstallError(f"--{option} {shown(value)}: a service is not started in this folder; give the "
                                   f"whole path ({shown(os.path.abspath(path))})")
        if option == "listen" and re.match(r"systemd\b", value):
            raise InstallError(f"--listen {shown(value)}: systemd has no sockets for this unit; name an address")
    for option, path in unit.made_paths(settings):
        folder = path if option in unit.CHANGED else os.path.dirname(path)
        if not folder.isprintable():
            raise InstallError(f"--{option} {shown(path)}: a unit cannot name {shown(folder)}; give it another name")
        if not os.path.exists(folder) and not unit.below(folder, ("/run", "/var/run")):
            raise InstallError(f"--{option} {shown(path)}: there is no {shown(folder)}; make it first")


def refuse_others(path, what, name):
    """Refuse to take a name that somebody else has."""
    if os.path.lexists(path):
        raise InstallError(f"{path} is there already, and is none of limpet's: {what} called {name} cannot be "
                           "installed beside it; rename this file, or remove that one")


# --- The plan ---


class Plan:
    """What is to be done to this machine. before: the manifest of what is installed, or None."""

    def __init__(self, name, given, settings, before):
        self.name, self.given, self.settings, self.before = name, given, settings, before
        self.notes = []
        self.binary, self.unit = f"{BINARIES}/{name}", f"{UNITS}/{name}.service"
        self.state = f"{STATES}/{name}"
        self.fresh = before is None or not before["complete"]
        self.ours = before["files"] if before else {}
        self.folders = list(before["folders"]) if before else []
        check_paths(given, settings)
        self.look_for_user()
        self.look_for_clashes()
        self.text = unit.text(self.service()).encode()

    def service(self):
        """What unit.text wants to know."""
        user, _ = self.owner
        arguments = [word for word in self.given if not word.startswith(("--user=", "--writable="))]
        arguments += [f"--user={user}", f"--writable={self.state}"]
        for path in self.settings.get("writable", []):
            path = os.path.normpath(os.path.join(self.state, path))
            arguments += [] if unit.below(path, (self.state, )) else [f"--writable={path}"]
        return unit.Service(self.name, self.binary, user, self.state, self.settings, arguments)

    def look_for_user(self):
        """Who the workers are, and whether we make that user: .owner, .makes_user, .user_is_ours."""
        wanted = next(iter(self.settings.get("user", [])), "")
        user = wanted or self.name
        known = find(pwd.getpwnam, pwd.getpwuid, user)
        user = known.pw_name if known else user
        self.user_is_ours = bool(self.before and self.before["user"]["made"] and self.before["user"]["name"] == user)
        if self.before and self.before["user"]["name"] != user:
            raise InstallError(f"it is installed for the user {shown(self.before['user']['name'])}, and would be for "
                               f"{shown(user)}: uninstall it first")
        if known and not wanted and not self.user_is_ours:
            raise InstallError(f"there is a user {user} already, whom limpet has not made: if workers are to be "
                               f"that one, write --user {user}; else rename this file")
        self.makes_user = known is None
        if self.makes_user:
            self.check_new_user(user)
            self.user_is_ours = True
        group = next(iter(self.settings.get("group", [])), "")
        known_group = find(grp.getgrnam, grp.getgrgid, group) if group else None
        if group and known_group is None:
            raise InstallError(f"--group {shown(group)}: there is no such group on this machine; create it")
        # Of a user to come, and of one with a number alone, the names are all there is.
        if known:
            self.owner = known.pw_name, known_group.gr_name if group else grp_name(known.pw_gid)
        else:
            self.owner = user, known_group.gr_name if group else user

    def check_new_user(self, user):
        """Refuse a user that we cannot make."""
        if not NAME.fullmatch(user):
            raise InstallError(f"--user {shown(user)}: there is no such user on this machine; create it")
        if find(grp.getgrnam, grp.getgrgid, user):
            raise InstallError(f"there is a group {user} already, but no user of that name: give a user that there is "
                               "(--user)")
        if not shutil.which("useradd"):
            raise InstallError(f"there is no useradd on this machine to make the user {user}: create one and give it "
                               "(--user)")

    def look_for_clashes(self):
        """Refuse names that others have, and leave alone what the operator has changed."""
        if not self.before:
            for folder in OTHER_UNITS:
                refuse_others(f"{folder}/{self.name}.service", "a service", self.name)
            for folder in OTHER_BINARIES:
                refuse_others(f"{folder}/{self.name}", "a program", self.name)
        same = os.path.realpath(sys.executable) == os.path.realpath(self.binary)
        if self.binary not in self.ours and not same:
            refuse_others(self.binary, "a program", self.name)
        if self.unit not in self.ours:
            refuse_others(self.unit, "a service", self.name)
        self.check_old_binary()
        new, old = installation.digest(sys.executable), installation.digest(self.binary)
        self.binary_digest = new
        self.writes_binary = not same and new != old
        # Or put there by somebody since: the service runs what was there before.
        self.binary_is_new = self.writes_binary or bool(self.before and self.before.get("binary") != new)
        self.binary_is_ours = not same or self.binary in self.ours
        old = installation.digest(self.unit)
        self.unit_is_changed = old is not None and old not in self.ours[self.unit]
        if self.unit_is_changed and self.given != self.before["options"]:
            raise InstallError(f"{self.unit} was changed since it was installed, and the options would go there: "
                               "change them in it, or remove it and install again")

    def check_old_binary(self):
        """Refuse to replace what was put in the place of the installed binary and is no packed application."""
        if installation.digest(self.binary) in [None, *self.ours.get(self.binary, [])]:
            return
        try:
            _, members = writer.read(self.binary)
        except FormatError:
            members = {}
        if "limpet/settings" not in members:
            raise InstallError(f"{self.binary} was replaced by something else since it was installed: move it away")

    def owner_of_state(self):
        """The number that a new user has to have, of the owner of a state folder that an earlier installation has left;
        0: any. Refuse a state folder that is somebody else's."""
        # A link is the operator's, who has moved the folder of an earlier installation to another place.
        if not os.path.isdir(self.state) or os.path.islink(self.state) and not self.before:
            refuse_others(self.state, "a service", self.name)
            return 0
        number = os.stat(self.state).st_uid
        known = find(pwd.getpwnam, pwd.getpwuid, str(number))
        if known is None and self.makes_user:
            return number
        if known is None or known.pw_name != self.owner[0]:
            whose = known.pw_name if known else f"user {number}"
            raise InstallError(f"{self.state} is there already, and is {whose}'s: move it away, or make it "
                               f"{self.owner[0]}'s")
        return 0

    def steps(self):
        """The plan; none where all is as it should be."""
        number = self.owner_of_state()
        missing = [path for path in (BINARIES, UNITS) if not os.path.isdir(path)]
        makes_state = not os.path.isdir(self.state)
        writes_unit = not self.unit_is_changed and installation.digest(self.unit) != installation.text_digest(self.text)
        files = {self.unit: installation.text_digest(self.text)}
        if self.binary_is_ours:
            files[self.binary] = self.binary_digest
        if self.unit_is_changed:
            files[self.unit] = self.ours[self.unit][0]
            self.notes.append(f"kept {self.unit}: it was changed since it was installed")
        self.folders += [path for path in missing if path not in self.folders]
        if (makes_state or number) and self.state not in self.folders:
            self.folders.append(self.state)
        if not (self.fresh or self.makes_user or makes_state or self.binary_is_new or writes_unit):
            return []
        steps = [] if os.path.isdir(installation.MANIFESTS) else [Folder(installation.MANIFESTS)]
        steps.append(self.remember({path: [new, *self.ours.get(path, [])] for path, new in files.items()}, False))
        steps += map(Folder, missing)
        if self.makes_user:
            steps.append(self.new_user(number))
        if makes_state:
            steps.append(Folder(self.state, 0o750, self.owner, scratch=True))
        if self.writes_binary:
            steps.append(File(self.binary, sys.executable, 0o755, self.binary in self.ours))
        if writes_unit:
            steps.append(File(self.unit, self.text, 0o644, self.unit in self.ours))
        steps += self.start(writes_unit)
        steps.append(self.remember({path: [new] for path, new in files.items()}, True))
        return steps

    def remember(self, files, complete):
        """The step that writes the manifest."""
        manifest = {"name": self.name, "complete": complete, "options": self.given,
                    "user": {"name": self.owner[0], "made": self.user_is_ours}, "files": files, "folders": self.folders,
                    "binary": self.binary_digest}
        content = installation.manifest_text(manifest)
        return File(installation.manifest_path(self.name), content, 0o644, replaces=True, draft=not complete)

    def new_user(self, number):
        """The step that makes the user."""
        shell = next((path for path in NO_LOGIN if os.path.exists(path)), NO_LOGIN[-1])
        words = ["--system", "--user-group", "--no-create-home", "--home-dir", self.state, "--shell", shell]
        words += ["--uid", str(number)] if number else []
        return User(*words, self.owner[0])

    def start(self, writes_unit):
        """The steps that tell systemd. One that does not run hears of it when it starts."""
        service = f"{self.name}.service"
        hint = f" (journalctl -u {service} says why)"
        if not installation.systemd_runs():
            enable = Command("systemctl", "enable", service, back=("systemctl", "disable", service))
            return [enable] if self.fresh else []
        reload = Command("systemctl", "daemon-reload", back=("systemctl", "daemon-reload"), last=True)
        enable = Command("systemctl", "enable", "--now", service, back=("systemctl", "disable", "--now", service),
                         hint=hint)
        restart = Command("systemctl", "try-restart", service, back=("systemctl", "restart", service), last=True,
                          hint=hint)
        return [*([reload] if writes_unit else []), enable if self.fresh else restart]

    def summary(self, changed):
        """The last lines for the operator."""
        if not changed:
            return [f"nothing to do: {self.name} is installed like that"]
        done = "installed" if self.fresh else "upgraded"
        said = [f"{done} {self.name}: {self.name}.service runs {self.binary} for the user {self.owner[0]}, with "
                f"its data in {self.state}"]
        if not installation.systemd_runs():
            said.append("systemd does not run here: the service starts when it does")
        return said


def find(by_name, by_number, text):
    """An entry of the users or groups by name or number, as limpet itself reads them; None where there is none."""
    try:
        return by_number(int(text)) if text.isdecimal() else by_name(text)
    except (KeyError, OverflowError):
        return None


def grp_name(number):
    """A group's name, or its number where it has none."""
    entry = find(grp.getgrnam, grp.getgrgid, str(number))
    return entry.gr_name if entry else str(number)
