"""What the gates know of the tree: which files there are, and C text without what is not code."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Folders that hold nothing of ours.
FOREIGN = {".git", "build", "__pycache__", ".pytest_cache"}


def files(*suffixes, below="."):
    """Paths of all files with one of these suffixes, relative to the top, sorted."""
    found = []
    for path in (ROOT / below).rglob("*"):
        relative = path.relative_to(ROOT)
        if path.suffix in suffixes and path.is_file() and not FOREIGN & set(relative.parts):
            found.append(relative)
    return sorted(found)


def all_files():
    """Every file of the project, relative to the top. Without git: what .gitignore names may lie in the tree and be
    among them, but no file of the project is missed."""
    paths = (path.relative_to(ROOT) for path in ROOT.rglob("*"))
    return sorted(p for p in paths if (ROOT / p).is_file() and not FOREIGN & set(p.parts) and p.suffix != ".pyc")


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


_NOT_CODE = re.compile(
    r"""//(?:\\\n|[^\n])*          # a comment to the line's end
      | /\*.*?\*/                  # a comment in place
      | "(?:\\.|[^"\\\n])*"        # a string
      | '(?:\\.|[^'\\\n])*'        # a character
    """,
    re.VERBOSE | re.DOTALL,
)


def blank(text):
    """C text with comments and the insides of literals as spaces: as long, with the same lines."""

    def spaces(match):
        piece = match.group()
        if piece[0] in "\"'":
            return piece[0] + re.sub(r"[^\n]", " ", piece[1:-1]) + piece[0]
        return re.sub(r"[^\n]", " ", piece)

    return _NOT_CODE.sub(spaces, text)


def without_preprocessor(blanked, first_branch_only=False):
    """Blanked text with directives as empty lines, and on demand with all #else branches so."""
    lines = []
    open_branches = []  # one entry an #if: are its lines taken?
    continued = False
    for line in blanked.split("\n"):
        directive = re.match(r"\s*#\s*(\w+)", line)
        if continued or directive:
            name = directive.group(1) if directive and not continued else ""
            if name in ("if", "ifdef", "ifndef"):
                open_branches.append(True)
            elif name in ("else", "elif") and open_branches:
                open_branches[-1] = not first_branch_only
            elif name == "endif" and open_branches:
                open_branches.pop()
            continued = line.endswith("\\")
            lines.append("")
        else:
            lines.append(line if all(open_branches) else "")
    return "\n".join(lines)


_TOKEN = re.compile(r"[A-Za-z_]\w*|\.\.\.|\d[\w.]*|\S")


def tokens(code):
    """(token, line number) of code that went through blank and without_preprocessor."""
    found = []
    for number, line in enumerate(code.split("\n"), 1):
        found += [(match.group(), number) for match in _TOKEN.finditer(line)]
    return found
