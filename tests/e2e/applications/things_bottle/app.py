"""Things, by Bottle, with its templates."""

import hashlib
import pathlib
from urllib.parse import quote

import bottle
from bottle import Bottle, redirect, request, response, static_file

HERE = pathlib.Path(__file__).parent
SECRET = "tests only"
app = Bottle()


def describe(stream):
    """Size and digest of what can be read."""
    digest, size = hashlib.sha256(), 0
    while piece := stream.read(1 << 16):
        digest.update(piece)
        size += len(piece)
    return {"size": size, "sha256": digest.hexdigest()}


@app.get("/")
@bottle.view("page", template_lookup=[HERE / "views"])
def page():
    return {"title": "Thïngs"}


@app.get("/things/<number:int>")
def thing(number):
    return {"number": number, "q": request.query.q}


@app.post("/form")
def form():
    redirect(f"/hello/{quote(request.forms.name)}", 303)


@app.get("/hello/<name>")
def hello(name):
    return f"Hello, {name}"


@app.post("/upload")
def upload():
    file = request.files.file
    return {"name": file.raw_filename, **describe(file.file)}


@app.put("/upload")
def put():
    return describe(request.body)


@app.get("/stream")
def stream():
    for i in range(1000):
        yield f"{i}\n"


@app.get("/visits")
def visits():
    count = int(request.get_cookie("visits", 0, secret=SECRET)) + 1
    response.set_cookie("visits", str(count), secret=SECRET)
    return {"visits": count}


@app.get("/static/<name:path>")
def static(name):
    return static_file(name, root=HERE / "static")


@app.get("/broken")
def broken():
    raise RuntimeError("a thing fell apart")
