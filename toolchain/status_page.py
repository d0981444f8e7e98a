#!/usr/bin/python3
"""status_page.py - makes the status page of appliance/page/ one file, and the policy that lets it run that and nothing else.

  status_page.py SOURCES FOLDER

FOLDER gets status.html and status.policy, the value of its Content-Security-Policy (W3C, Content Security Policy Level 3).
"""

import base64
import hashlib
import pathlib
import sys

POLICY = ("default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; img-src data:; connect-src 'self'; "
          "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")


def put(page, element, content):
    """The page with the content of its one element of that name, which is empty."""
    empty = f"<{element}></{element}>"
    if page.count(empty) != 1 or f"</{element}" in content:
        sys.exit(f"status_page.py: the page needs one {empty}, and its content must not end it")
    return page.replace(empty, f"<{element}>{content}</{element}>")


def digest(text):
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def main(sources, folder):
    sources, folder = pathlib.Path(sources), pathlib.Path(folder)
    page, style, script = ((sources / f"status.{kind}").read_text("utf-8") for kind in ("html", "css", "js"))
    folder.mkdir(parents=True, exist_ok=True)
    page = put(put(page, "style", style), "script", script)
    (folder / "status.html").write_text(page, "utf-8", newline="\n")
    (folder / "status.policy").write_text(POLICY.format(style=digest(style), script=digest(script)), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
