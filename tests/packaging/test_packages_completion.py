"""The completions that packages carry, in the shells that they are for."""

import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import time

import packages
import pytest

pytestmark = packages.of_the_static_binary

COMMANDS = {"serve", "pack", "status", "logs", "ctl", "python", "check", "inspect", "version", "help"}

BASH = r"""
source "$1"
COMP_LINE=$2 COMP_POINT=${#2}
# As readline cuts words: "=" and ":" are words of their own.
mapfile -t COMP_WORDS < <(grep -oE '[^ =:]+|[=:]+' <<<"$2")
[[ $2 != *' ' ]] || COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
completion=$(complete -p limpet)
[ "$completion" = "complete -F _limpet limpet" ] || exit 1
_limpet limpet "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}" 2>"$3"
printf '%s\n' "${COMPREPLY[@]}"
"""

# Candidates go into a file as zsh's own compadd sees them: of those that it was given, the ones that match.
ZSH = r"""
fpath=({folder} $fpath)
autoload -Uz compinit
compinit -u -D
compadd() {{
    if [[ ${{@[1,(i)(-|--)]}} != *-[OAD]\ * && "$*" != *-[OAD]\ * ]]; then
        typeset -a found
        builtin compadd -O found "$@"
        print -rl -- $found >>{hits}
    fi
    builtin compadd "$@"
}}
finish() {{ print end >>{hits} }}
zle -N finish
bindkey '^I' complete-word '^X' finish
setopt no_auto_menu no_list_beep
"""


class Bash:
    """root: the unpacked tar. place: the folder that completions are asked for in. own: one for our files."""

    def __init__(self, root, place, own):
        self._file, self._place, self._errors = root / "share/bash-completion/completions/limpet", place, own / "errors"

    def complete(self, line):
        done = subprocess.run(["bash", "--norc", "-c", BASH, "bash", self._file, line, self._errors], cwd=self._place,
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and done.stderr == "", done
        assert self._errors.read_text() == ""
        return [word for word in done.stdout.splitlines() if word]

    def end(self):
        pass


class Fish:
    def __init__(self, root, place, own):
        self._file, self._place = root / "share/fish/vendor_completions.d/limpet.fish", place
        self._environment = {**os.environ, "HOME": str(own)}

    def complete(self, line):
        program = f"source {self._file}; complete -C '{line}'"
        done = subprocess.run(["fish", "--no-config", "-c", program], cwd=self._place, capture_output=True, text=True,
                              timeout=60, env=self._environment)
        assert done.returncode == 0 and done.stderr == "", done
        return [row.split("\t")[0] for row in done.stdout.splitlines()]

    def end(self):
        pass


class Zsh:
    """One behind a terminal, into which lines are typed."""

    def __init__(self, root, place, own):
        self._hits, settings = own / "hits", own / "zshrc"
        settings.write_text(ZSH.format(folder=root / "share/zsh/site-functions", hits=self._hits))
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.chdir(place)
            os.execvpe("zsh", ["zsh", "-f", "-i"], {"PATH": os.environ["PATH"], "TERM": "dumb", "HOME": str(own),
                                                      "LC_ALL": "C.UTF-8"})
        # Not what the terminal echoes of it.
        self._type(f"source {settings}; print read''y\n", lambda got: b"ready" in got)

    def _type(self, text, condition):
        """Until the condition holds of what the terminal shows from then on."""
        os.write(self._fd, text.encode())
        end, got = time.monotonic() + 60, b""
        while not condition(got):
            assert time.monotonic() < end, got.decode(errors="replace")
            if select.select([self._fd], [], [], 0.02)[0]:
                got += os.read(self._fd, 65536)

    def complete(self, line):
        self._hits.write_text("")
        # The line is emptied (^U), completed (tab), and the end is told (^X).
        self._type(f"\x15{line}\t\x18", lambda _: self._hits.read_text().endswith("end\n"))
        return self._hits.read_text().splitlines()[:-1]

    def end(self):
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._fd)


@pytest.fixture(scope="module", params=[Bash, Fish, Zsh], ids=["bash", "fish", "zsh"])
def shell(request, unpacked, tmp_path_factory):
    name = request.param.__name__.lower()
    if shutil.which(name) is None:
        pytest.skip(f"needs {name}")
    place = tmp_path_factory.mktemp("place")
    (place / "shop").mkdir()
    (place / "shop.toml").touch()
    made = request.param(unpacked, place, tmp_path_factory.mktemp(name))
    yield made
    made.end()


@pytest.fixture
def complete(shell):
    """complete(line) -> the set of words that are offered, without what shells put behind or before them."""

    def words(line):
        return {re.sub(r"^--[a-z-]+=(?=.)|/$", "", word) if "=" in line.split(" ")[-1] else word.rstrip("/")
                for word in shell.complete(line)}

    return words


def options_of(command):
    """The names of a command's options in the table of help."""
    table = subprocess.run([packages.BINARY, "help", "options"], capture_output=True, text=True, check=True).stdout
    rows = [row.split("|") for row in table.splitlines()[2:]]
    return {name for row in rows if command in row[6].strip().split(", ")
            for name in re.findall(r"`(--[a-z0-9-]+)`", row[1])}


def test_commands(complete):
    assert complete("limpet ") >= COMMANDS
    assert complete("limpet se") == {"serve"}


def test_every_option(complete):
    for command in ("serve", "logs"):
        expected = options_of(command)
        found = complete(f"limpet {command} --")
        # Shells that know of a value write its sign behind the name.
        assert {word.rstrip("=") for word in found} - {"--no-http1-keep-alive"} == expected
    assert "--output" in {word.rstrip("=") for word in complete("limpet pack --out")}


def test_choices(complete):
    assert complete("limpet serve --interface ") == {"auto", "wsgi", "asgi", "rsgi"}
    assert complete("limpet serve --interface=w") == {"wsgi"}
    assert complete("limpet pack . --sandbox s") == {"strict"}
    assert complete("limpet serve --workers a") == {"auto"}
    assert complete("limpet serve --tls-client-verify r") == {"require"}


def test_files_and_folders(complete):
    assert {"shop", "shop.toml"} <= complete("limpet serve --config s")
    assert complete("limpet serve --working-dir s") == {"shop"}
    assert complete("limpet pack s") == {"shop"}
    assert {"shop", "shop.toml"} <= complete("limpet inspect s")


def test_a_folder_behind_a_prefix(complete):
    assert {word.rpartition("=")[2] for word in complete("limpet serve --static /x=sh")} == {"shop"}


def test_users_and_groups(complete):
    assert complete("limpet serve --user nobod") == {"nobody"}
    assert complete("limpet serve --group nogrou") == {"nogroup"}


def test_arguments(complete):
    assert complete("limpet ctl ") == {"reload", "restart", "stop", "scale"}
    assert complete("limpet help pa") == {"pack"}
    assert complete("limpet help o") == {"options"}


def test_the_files_are_programs_of_their_shells(unpacked):
    for shell, name in (("bash", "bash-completion/completions/limpet"), ("zsh", "zsh/site-functions/_limpet"),
                        ("fish", "fish/vendor_completions.d/limpet.fish")):
        if shutil.which(shell):
            done = subprocess.run([shell, "-n", pathlib.Path(unpacked, "share", name)], capture_output=True, text=True)
            assert done.returncode == 0 and done.stderr == "", done.stderr
