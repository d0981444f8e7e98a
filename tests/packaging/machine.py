"""A machine of a test's own: namespaces of mounts and processes, in which what install and uninstall write is in
memory, and systemctl is a script that notes its arguments. Its files are to be found below root."""

import os
import pathlib
import shutil
import subprocess

from listing import LEFT_BY_USERS, entry

# /srv has the appliances, /etc what users are made with: the machine's own may change meanwhile. What makes and removes
# users also writes below /var/log.
SETUP = """
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 none "$1"
for name in passwd group shadow gshadow subuid subgid login.defs default pam.d security nsswitch.conf ld.so.cache; do
    if [ -e "/etc/$name" ]; then cp -a "/etc/$name" "$1"; fi
done
mount --bind "$1" /etc
mount --bind "$2" /srv
mount -t tmpfs -o mode=755 none /var
mount -t tmpfs -o mode=755,size=64m none /usr/local
mount -t tmpfs -o mode=755 none /run
mkdir -p /var/lib /var/log /var/mail /var/tmp /usr/local/bin /etc/systemd/system /run/systemd/system
rm -f /etc/systemd/system/shop.service
echo ready
read line
"""

# It does what $2 ("fail") says of a call: nothing, or a piece of shell behind the words that it begins with.
SYSTEMCTL = """#!/bin/sh
echo "$*" >> "{calls}"
while IFS='|' read -r words action; do
    case "$*" in "$words"*) eval "$action" ;; esac
done < "{rules}"
exit 0
"""

WATCHED = ("etc", "usr/local", "var/lib", "run")


class Machine:
    """stop() ends it, and with it all that was written."""

    def __init__(self, folder, appliances):
        self.folder = folder
        self.calls_file, self.rules_file = folder / "calls", folder / "rules"
        self.calls_file.touch()
        self.rules_file.touch()
        (folder / "bin").mkdir()
        script = folder / "bin/systemctl"
        script.write_text(SYSTEMCTL.format(calls=self.calls_file, rules=self.rules_file))
        script.chmod(0o755)
        (folder / "etc").mkdir()
        self.path = f"{folder / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin"
        apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        self.process = subprocess.Popen([*apart, "sh", "-c", SETUP, "sh", folder / "etc", appliances],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"
        own = self.process.pid
        shell = pathlib.Path(f"/proc/{own}/task/{own}/children").read_text().strip()
        self.root = pathlib.Path(f"/proc/{shell}/root")
        self.enter = [shutil.which("nsenter"), f"--mount=/proc/{shell}/ns/mnt", f"--pid=/proc/{shell}/ns/pid", "--"]

    def stop(self):
        self.process.communicate("end\n", timeout=60)  # and whoever still runs in it is killed

    def environment(self, **more):
        return {"PATH": self.path, "LANG": "C.UTF-8", **more}

    def run(self, *words, prefix=(), env=None):
        """Run a program in it: CompletedProcess."""
        return subprocess.run([*self.enter, *prefix, *map(str, words)], env=env or self.environment(),
                              capture_output=True, text=True, check=False, timeout=300)

    def good(self, *words, **options):
        """Run a program that must succeed: its output."""
        done = self.run(*words, **options)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    def refused(self, *words, status=1, **options):
        """Run a program that must fail with one line and change nothing: the line."""
        before = self.snapshot()
        done = self.run(*words, **options)
        assert done.returncode == status and done.stdout == "", done
        lines = done.stderr.splitlines()
        assert len(lines) == 1, done.stderr
        assert self.snapshot() == before
        return lines[0]

    def calls(self):
        """The calls of systemctl since the last time."""
        lines = self.calls_file.read_text().splitlines()
        self.calls_file.write_text("")
        return lines

    def rule(self, *rules):
        """What systemctl does from now on: "enable --now|echo no; exit 1"."""
        self.rules_file.write_text("".join(rule + "\n" for rule in rules))

    def snapshot(self):
        """{path: what is there} of all places that an installation could write to, but for times."""
        found = {}
        for top in WATCHED:
            for folder, folders, files in os.walk(self.root / top):
                for path in (os.path.join(folder, name) for name in [*folders, *files]):
                    name = path.removeprefix(str(self.root))
                    if name not in LEFT_BY_USERS:
                        found[name] = entry(path)
        return found
