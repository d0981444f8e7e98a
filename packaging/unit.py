"""The systemd unit of an installed appliance: its text, from the settings that it is installed with.

systemd.service(5), systemd.exec(5), systemd.syntax(7). limpet's supervisor runs as root, with what is left of root's
rights below, since it opens ports, keys and log files again and its workers become another user; it runs no Python and
reads no HTTP. What workers may do is limpet's own sandbox (--sandbox), inside all of this.
"""

import collections
import os
import re

# settings: {name: [value, ...]}, what the server will run with. arguments: of these, what is the unit's to say, as
# words of a command line.
Service = collections.namedtuple("Service", "name binary user state settings arguments")

# Options whose values are paths, and those whose values are PREFIX=FOLDER.
PATHS = ("uds", "working-dir", "env-files", "temp-dir", "writable", "readable", "tls-certificate", "tls-key",
         "tls-key-password-file", "tls-ocsp", "tls-client-ca", "tls-crl", "acme-webroot", "pid-file", "log",
         "access-log", "control-socket", "config")
ROUTES = ("static", "sendfile")
# Of the paths, the files that the server makes or replaces itself, and what it changes in place.
MADE = ("uds", "pid-file", "log", "access-log", "control-socket")
CHANGED = ("writable", "temp-dir")
# What --log and --access-log take beside a file.
TARGETS = ("stderr", "stdout", "syslog", "memory", "off")

# Files that are others' (the first four), workers (the next four), ports, keys that are locked in memory.
CAPABILITIES = ("CAP_CHOWN", "CAP_FOWNER", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_SETUID", "CAP_SETGID",
                "CAP_SETPCAP", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_IPC_LOCK")
# Beside what services need: limpet's own sandbox. By name, since not every systemd has a group of these.
CALLS = ("@system-service", "seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self")

# Of /dev, what is no device and is there with PrivateDevices, too.
NO_DEVICES = ("/dev/shm", "/dev/mqueue", "/dev/hugepages", "/dev/pts")
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
PLAIN = re.compile(r"[A-Za-z0-9_./:=,@+-]+")
HARDENING = f"""
# What the server needs of root's rights: --user, ports below 1024, keys. None of it is its workers'.
CapabilityBoundingSet={" ".join(CAPABILITIES)}
NoNewPrivileges=yes
ProtectSystem=strict
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter={" ".join(CALLS)}
SystemCallErrorNumber=EPERM
UMask=0027
"""


def text(service):
    """The unit, as text. service: a Service whose paths are absolute."""
    start, stop = timeouts(service.settings)
    paths = used_paths(service)
    home = "read-only" if any(below(path, ("/home", "/root", "/run/user")) for path in paths) else "yes"
    private = "no" if any(below(path, ("/tmp", "/var/tmp")) for path in paths) else "yes"
    lines = [
        f"# Made by \"{service.name} install\". Once this file is changed, upgrades leave it as it is;",
        f"# \"systemctl edit {service.name}\" adds to it without that.",
        "[Unit]",
        f"Description={service.name}",
        "After=network.target",
        "",
        "[Service]",
        "Type=notify",
        "ExecStart=" + " ".join(map(quoted, [service.binary, *service.arguments])).replace("$", "$$"),
        "ExecReload=/bin/sh -c 'kill -HUP $MAINPID'",  # there may be no program "kill"
        "KillMode=mixed",
        "Restart=on-failure",
        "RestartSec=5",
        "WatchdogSec=30",
        f"TimeoutStartSec={start}",
        f"TimeoutStopSec={stop}",
        f"WorkingDirectory={directory(service.state)}",
        f"Environment={quoted('STATE_DIRECTORY=' + service.state)}",
        f"RuntimeDirectory={service.name}",
        "",
        "# What may be written; the rest of the machine may be read at most.",
        *(f"ReadWritePaths={quoted(path)}" for path in writable_paths(service)),
        f"ProtectHome={home}",
        f"PrivateTmp={private}",
        *devices(service.settings),
        HARDENING.strip("\n"),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


def quoted(word):
    """A word of a setting: no blank, quote or specifier (%) in it means anything to systemd. Variables ($) mean something
    in ExecStart alone, and what is not printable can be in it, but not in a path of a setting of its own."""
    word = word.replace("%", "%%")
    if PLAIN.fullmatch(word):
        return word
    return '"' + "".join("\\" + c if c in '\\"' else c if c.isprintable() else escaped(c) for c in word) + '"'


def escaped(character):
    """A character as systemd takes it in quotes: by its bytes."""
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))


def directory(path):
    """A path where no quotes are understood."""
    return path.replace("%", "%%")


def timeouts(settings):
    """TimeoutStartSec and TimeoutStopSec, in seconds: behind those of the server itself, so that it can say what was
    wrong. It is ready when the first worker is, and then all others."""
    start, stop = seconds(settings["workers-start-timeout"][0]), seconds(settings["graceful-timeout"][0])
    return f"{2 * start + 30:.0f}" if start else "infinity", f"{stop + 15:.0f}"


def seconds(duration):
    """"1h30m", "500ms", "0", as limpet prints durations."""
    parts = re.findall(r"(\d+)(ms|[smhd])", duration)
    return sum(int(number) * SECONDS[unit] for number, unit in parts)


def below(path, folders):
    """Whether a path is one of these folders, or in one."""
    return any(path == folder or path.startswith(folder + "/") for folder in folders)


def values(name, value):
    """The paths in the value of an option; none where it is something else."""
    if name in PATHS and value and value not in TARGETS:
        return [value]
    if name in ROUTES:
        return [value.partition("=")[2]]
    if name == "listen" and value.startswith("unix:"):
        return [value.removeprefix("unix:").partition(",")[0]]
    return []


def used_paths(service):
    """The absolute paths of all settings."""
    found = (path for name, items in service.settings.items() for item in items for path in values(name, item))
    return [os.path.normpath(path) for path in found if path.startswith("/")]


def devices(settings):
    """The lines on devices: those that --writable and --readable name, or none. The devices of a folder come and go and
    cannot be listed: then it is all of them, as far as the owners of their files allow."""
    found = {}
    for name, access in ("readable", "r"), ("writable", "rw"):
        for path in map(os.path.normpath, settings.get(name, [])):
            if below(path, ("/dev", )) and not below(path, NO_DEVICES):
                found[path] = access
    if not found:
        return ["PrivateDevices=yes"]
    if any(os.path.isdir(path) for path in found):
        return ["PrivateDevices=no"]
    return ["PrivateDevices=no", "DevicePolicy=closed",
            *(f"DeviceAllow={quoted(path)} {access}" for path, access in sorted(found.items()))]


def made_paths(settings):
    """(option, path) of each file that the server makes, and of each place that it changes: absolute ones."""
    for name, items in settings.items():
        if name in MADE or name in CHANGED or name == "listen":
            for item in items:
                yield from ((name, os.path.normpath(path)) for path in values(name, item) if path.startswith("/"))


def writable_paths(service):
    """The values of ReadWritePaths: the state folder, and what the settings name beyond it. A file is made or replaced
    in its folder. A dash is for what may be missing: /run is empty when a machine starts, and devices are unplugged."""
    own = (service.state, f"/run/{service.name}")
    found = {path if name in CHANGED else os.path.dirname(path) for name, path in made_paths(service.settings)}
    others = sorted(path for path in found if not below(path, own))
    return [service.state, *("-" + path if below(path, ("/run", "/var/run", "/dev")) else path for path in others)]
