"""Style sheet, script and icon: the files in static/, read once and kept in memory."""

import hashlib
from importlib.resources import files

from .web import HttpError, Response

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FOR_GOOD = "public, max-age=31536000, immutable"


class Asset:
    """One static file. Its address has a digest of its content: browsers may keep it for good.

    name: of the file; content: its bytes.
    """

    def __init__(self, name, content):
        digest = hashlib.sha256(content).hexdigest()[:16]
        self.content = content
        self.content_type = _TYPES[name[name.rindex(".") :]]
        self.version = digest
        self.etag = f'"{digest}"'
        self.address = f"/static/{name}?v={digest}"


def _read_all():
    """Return every file in static/ by its name."""
    folder = files(__package__) / "static"
    return {file.name: Asset(file.name, file.read_bytes()) for file in folder.iterdir()}


ASSETS = _read_all()


def serve(store, request, name):
    """Answer with the file of that name, or 304 when the browser has it. Raises HttpError 404."""
    asset = ASSETS.get(name)
    if asset is None:
        raise HttpError(404, "There is no such file.")
    keep = _FOR_GOOD if request.query().get("v") == asset.version else "no-cache"
    headers = [("ETag", asset.etag), ("Cache-Control", keep)]
    if _has(request, asset.etag):
        return Response(content_type=None, status=304, headers=headers)
    return Response(asset.content, asset.content_type, headers=headers)


def _has(request, etag):
    """Tell whether the browser says that it holds the version of that entity tag."""
    held = [tag.strip().removeprefix("W/") for tag in request.header("If-None-Match").split(",")]
    return etag in held or "*" in held
