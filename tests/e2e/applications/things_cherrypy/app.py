"""Things, by CherryPy as a WSGI application, with its sessions in files and its static files."""

import hashlib
import pathlib
from urllib.parse import quote

import cherrypy


def describe(stream):
    """Size and digest of what can be read."""
    digest, size = hashlib.sha256(), 0
    while piece := stream.read(1 << 16):
        digest.update(piece)
        size += len(piece)
    return {"size": size, "sha256": digest.hexdigest()}


class Things:
    @cherrypy.expose
    def index(self):
        return "<h1>Thïngs</h1>"

    @cherrypy.expose
    @cherrypy.tools.json_out()
    def things(self, number, q=None):
        if not number.isdecimal():
            raise cherrypy.NotFound()
        return {"number": int(number), "q": q}

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["POST"])
    def form(self, name):
        raise cherrypy.HTTPRedirect(f"/hello/{quote(name)}", 303)

    @cherrypy.expose
    def hello(self, name):
        return f"Hello, {name}"

    @cherrypy.expose
    @cherrypy.tools.json_out()
    def upload(self, file=None, other=None):
        if cherrypy.request.method == "PUT":
            return describe(cherrypy.request.body.fp)
        return {"name": file.filename, **describe(file.file)}

    @cherrypy.expose
    def stream(self):
        return (f"{i}\n" for i in range(1000))

    stream._cp_config = {"response.stream": True}

    @cherrypy.expose
    @cherrypy.tools.json_out()
    @cherrypy.tools.sessions(storage_class=cherrypy.lib.sessions.FileSession, storage_path="/data", locking="implicit")
    def visits(self):
        visits = cherrypy.session.get("visits", 0) + 1
        cherrypy.session["visits"] = visits
        return {"visits": visits}

    @cherrypy.expose
    def broken(self):
        raise RuntimeError("a thing fell apart")


cherrypy.config.update({"environment": "production", "log.screen": True})
app = cherrypy.Application(Things(), "", {
    "/static": {"tools.staticdir.on": True, "tools.staticdir.dir": str(pathlib.Path(__file__).parent / "static")}})
