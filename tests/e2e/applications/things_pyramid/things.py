"""The views of things."""

import hashlib

from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther
from pyramid.response import Response
from pyramid.view import view_config


def describe(stream):
    """Size and digest of what can be read."""
    digest, size = hashlib.sha256(), 0
    while piece := stream.read(1 << 16):
        digest.update(piece)
        size += len(piece)
    return {"size": size, "sha256": digest.hexdigest()}


@view_config(route_name="page")
def page(request):
    return Response("<h1>Thïngs</h1>")


@view_config(route_name="thing", renderer="json")
def thing(request):
    try:
        number = int(request.matchdict["number"])
    except ValueError:
        raise HTTPNotFound() from None
    return {"number": number, "q": request.params.get("q")}


@view_config(route_name="form", request_method="POST")
def form(request):
    return HTTPSeeOther(request.route_path("hello", name=request.POST["name"]))


@view_config(route_name="hello", renderer="string")
def hello(request):
    return f"Hello, {request.matchdict['name']}"


@view_config(route_name="upload", request_method="POST", renderer="json")
def upload(request):
    file = request.POST["file"]
    return {"name": file.filename, **describe(file.file)}


@view_config(route_name="upload", request_method="PUT", renderer="json")
def put(request):
    return describe(request.body_file)


@view_config(route_name="stream")
def stream(request):
    return Response(app_iter=(f"{i}\n".encode() for i in range(1000)), content_type="text/plain")


@view_config(route_name="visits", renderer="json")
def visits(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return {"visits": request.session["visits"]}


@view_config(route_name="broken")
def broken(request):
    raise RuntimeError("a thing fell apart")
