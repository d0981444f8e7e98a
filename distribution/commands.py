"""What limpet says of itself: its commands and its one table of options, read from the binary's own help.

The table is the Markdown of "limpet help options" (which a gate holds to the README's), the commands are those of "limpet
help", each with its usage. Manual and completions are made of this, so that they cannot tell of another limpet.
"""

import dataclasses
import re
import subprocess

COLUMNS = ["option", "value", "default", "environment", "key in files", "commands", "a change takes effect", "meaning"]


@dataclasses.dataclass(frozen=True)
class Option:
    """name: "--port", or "TARGET" for an argument, or "LIMPET_X" for what is a variable alone. metavar: "NUMBER", "" for
    switches and choices. limits: what else the table says of the value ("0 to 65535")."""

    name: str
    letter: str
    alias: str
    metavar: str
    limits: str
    choices: tuple
    is_switch: bool
    is_optional: bool
    is_repeatable: bool
    default: str
    variable: str
    key: str
    commands: tuple
    effect: str
    meaning: str

    @property
    def names(self):
        """What it is called on a command line: "-o", "--output"; nothing for a variable or an argument."""
        return [name for name in (self.letter, self.name, self.alias) if name.startswith("-")]

    @property
    def negation(self):
        """The switch that turns it off, where its default is on; else ""."""
        return f"--no-{self.name[2:]}" if self.is_switch and self.default == "true" else ""


@dataclasses.dataclass(frozen=True)
class Command:
    """usage: what stands behind its name ("SRC -o OUT [options]"). description: lines, without the summary."""

    name: str
    summary: str
    usage: str
    description: str

    @property
    def words(self):
        """What may be said at its first argument, where that is one of a few: "reload", "stop"."""
        first = self.usage.split()[0] if self.usage else ""
        return re.findall(r"[a-z]+", first) if "|" in first else []


def ask(binary, *arguments):
    """The output of this command of the binary. OSError, CalledProcessError: it cannot be run here."""
    return subprocess.run([binary, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=True, env={"LC_ALL": "C"}).stdout.decode()


def bare(cell):
    return cell.strip("` ")


def read_option(line):
    """The Option of a row of the table."""
    cells = dict(zip(COLUMNS, (cell.strip() for cell in line.strip("|\n").split("|")), strict=True))
    names = re.findall(r"`([^`]+)`", cells["option"])
    letter = names.pop(0) if re.fullmatch(r"-\w", names[0]) else ""
    value, limits = cells["value"], []
    choices = tuple(re.findall(r"`([^`]+)`", value))
    metavar = "" if choices or value == "switch" else re.match(r"[^ ,]+", value)[0]
    if metavar:
        limits = value.removeprefix(metavar).removeprefix(" or none").strip(", ").split(", ")
    return Option(
        name=names[0], letter=letter, alias=names[1] if len(names) > 1 else "", metavar=metavar, choices=choices,
        limits=", ".join(word for word in limits if word and word != "repeatable"), is_switch=value == "switch",
        is_optional=" or none" in value, is_repeatable="repeatable" in limits, default=bare(cells["default"]),
        variable=bare(cells["environment"]), key=bare(cells["key in files"]),
        commands=tuple(cells["commands"].split(", ")), effect=cells["a change takes effect"], meaning=cells["meaning"])


def read_options(binary):
    """Every Option, in the table's order. ValueError: it is no such table."""
    head, _, *rows = ask(binary, "help", "options").strip().splitlines()
    if [cell.strip() for cell in head.strip("|").split("|")] != COLUMNS:
        raise ValueError(f"{binary}: its table of options has other columns: {head}")
    return [read_option(row) for row in rows]


def read_commands(binary):
    """Every Command, in the order of "limpet help"."""
    found = []
    for name, summary in re.findall(r"^  (\w+) +(.+)$", ask(binary, "help"), re.MULTILINE):
        usage, _, rest = ask(binary, "help", name).partition("\n")
        description = re.split(r"\n\n(?:options |Each option )", "\n" + rest)[0].strip().partition("\n")[2]
        found.append(Command(name, summary, usage.partition(f" {name}")[2].strip(), description.strip()))
    return found
