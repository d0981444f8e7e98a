#!/usr/bin/python3
"""option_gate.py - every option is documented and tested, and none is documented that is not there.

  option_gate.py [--binary LIMPET [--write]]

Documented: it has a help text in options.def and a row in the README's table, which has to be, word
for word, what "LIMPET help options" prints when a binary is given. Tested: a file below tests/ sets
it, by whatever name an option has there. --write puts the binary's table into the README.
"""

import argparse
import re
import subprocess
import sys

import source

ROW = re.compile(r'^OPTION\(\s*\w+\s*,\s*\w+\s*,\s*"([a-z0-9-]+)"(.*?)\)\s*$(?=\s*(?:OPTION|//|#|\Z))',
                 re.MULTILINE | re.DOTALL)
TABLE = re.compile(r"^<!-- options:[^\n]*-->\n(.*?)^<!-- /options -->$", re.MULTILINE | re.DOTALL)


def rows(text):
    """{option's name: the members of its row}"""
    return {match.group(1): match.group(2) for match in ROW.finditer(text)}


def variable_of(name):
    return "LIMPET_" + name.upper().replace("-", "_")


def is_set_in(name, text):
    """Does this test set the option: on a command line, in the environment, in a file, by field?"""
    variable = variable_of(name)
    field = re.escape(name.replace("-", "_"))
    return re.search(
        rf'--{re.escape(name)}(?![\w-])|\b{variable}\b|"{re.escape(name)}"'
        rf"|(?<![\w-]){re.escape(name)}\s*=|\.{field}\b|CONFIG_OPTION_{field}\b",
        text,
    ) is not None


def is_documented_in(name, text):
    # A positional argument has no --name, but it has a variable.
    return re.search(rf"--{re.escape(name)}(?![\w-])|\b{variable_of(name)}\b", text) is not None


def check_rows(options, readme, tests):
    table = TABLE.search(readme)
    documented = table.group(1) if table else readme
    for name, members in options.items():
        if not re.search(r'\.help\s*=\s*"[^"]', members):
            yield f"options.def: {name} has no help text"
        if not is_documented_in(name, documented):
            yield f"README.md: --{name} is not documented"
        if not any(is_set_in(name, text) for text in tests):
            yield f"tests/: no test sets --{name}"
    for name in sorted(set(re.findall(r"^\|[^|]*?--([a-z0-9][a-z0-9-]*)", documented, re.MULTILINE))):
        if table and name not in options:
            yield f"README.md: --{name} is documented, and there is no such option"


def printed_table(binary):
    return subprocess.run([binary, "help", "options"], capture_output=True, text=True,
                          check=True).stdout.strip()


def check_table(readme, printed):
    table = TABLE.search(readme)
    if table is None:
        yield "README.md: no table of options between <!-- options: and <!-- /options -->"
    elif table.group(1).strip() != printed:
        yield "README.md: its table of options is not what the binary prints (see --write)"


def write_table(readme, printed):
    start, end = TABLE.search(readme).span(1)
    path = source.ROOT / "README.md"
    path.write_text(f"{readme[:start]}\n{printed}\n\n{readme[end:]}", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    options = rows(source.read("appliance/options.def"))
    readme = source.read("README.md")
    tests = [source.read(path) for path in source.files(".py", ".c", ".sh", ".toml", below="tests")
             if path.parts[1] != "gates"]
    complaints = ["options.def: no row can be read"] if not options else []
    complaints += check_rows(options, readme, tests)
    if arguments.binary:
        printed = printed_table(arguments.binary)
        if arguments.write:
            return write_table(readme, printed)
        complaints += check_table(readme, printed)
    for text in complaints:
        print(text)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
