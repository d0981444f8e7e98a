"""The page, its style sheet, script and icon: the files in static/, read once and kept in memory."""

import hashlib
from importlib.resources import files
from string import Template

from .web import Response

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".html": "text/html; charset=utf-8",
}
_FOR_GOOD = "public, max-age=31536000, immutable"


class Asset:
    """One file. The address of all but the page has a digest of its content: browsers may keep it."""

    def __init__(self, name, content):
        self.name, self.content = name, content
        self.content_type = _TYPES[name[name.rindex(".") :]]
        self.version = hashlib.sha256(content).hexdigest()[:16]
        self.address = f"/static/{name}?v={self.version}"

    def answer(self, held, keep="no-cache"):
        """Return the response with it: 304 where the browser's If-None-Match has it."""
        tag = f'"{self.version}"'
        headers = [("etag", tag), ("cache-control", keep)]
        tags = [each.strip().removeprefix("W/") for each in held.split(",")]
        if tag in tags or "*" in tags:
            return Response(content_type=None, status=304, headers=headers)
        return Response(self.content, self.content_type, headers=headers)


def _read_all():
    """Return the page, and every other file in static/ by its name."""
    folder = files(__package__) / "static"
    found = {file.name: Asset(file.name, file.read_bytes()) for file in folder.iterdir()}
    page = found.pop("page.html")
    addresses = {name.partition(".")[0]: asset.address for name, asset in found.items()}
    filled = Template(page.content.decode()).substitute(addresses)
    return Asset(page.name, filled.encode()), found


PAGE, _OTHERS = _read_all()


def static(name, query, held):
    """Return the response with the file of that name, None when there is none."""
    asset = _OTHERS.get(name)
    if asset is None:
        return None
    return asset.answer(held, _FOR_GOOD if query == f"v={asset.version}" else "no-cache")
