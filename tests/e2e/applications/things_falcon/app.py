"""Things, by Falcon."""

import hashlib
import pathlib

import falcon


def describe(stream):
    """Size and digest of what can be read."""
    digest, size = hashlib.sha256(), 0
    while piece := stream.read(1 << 16):
        digest.update(piece)
        size += len(piece)
    return {"size": size, "sha256": digest.hexdigest()}


class Page:
    def on_get(self, request, response):
        response.content_type = falcon.MEDIA_HTML
        response.text = "<h1>Thïngs</h1>"

    on_head = on_get


class Thing:
    def on_get(self, request, response, number):
        response.media = {"number": number, "q": request.get_param("q")}


class Form:
    def on_post(self, request, response):
        raise falcon.HTTPSeeOther(f"/hello/{falcon.uri.encode_value(request.get_media()['name'])}")


class Hello:
    def on_get(self, request, response, name):
        response.text = f"Hello, {name}"


class Upload:
    def on_post(self, request, response):
        for part in request.get_media():
            if part.name == "file":
                response.media = {"name": part.filename, **describe(part.stream)}

    def on_put(self, request, response):
        response.media = describe(request.bounded_stream)


class Stream:
    def on_get(self, request, response):
        response.stream = (f"{i}\n".encode() for i in range(1000))


class Visits:
    def on_get(self, request, response):
        visits = int(request.cookies.get("visits", 0)) + 1
        response.set_cookie("visits", str(visits), secure=False)
        response.media = {"visits": visits}


class Broken:
    def on_get(self, request, response):
        raise RuntimeError("a thing fell apart")


app = falcon.App()
for path, resource in {
        "/": Page, "/things/{number:int}": Thing, "/form": Form, "/hello/{name}": Hello, "/upload": Upload,
        "/stream": Stream, "/visits": Visits, "/broken": Broken}.items():
    app.add_route(path, resource())
app.add_static_route("/static", str(pathlib.Path(__file__).parent / "static"))
