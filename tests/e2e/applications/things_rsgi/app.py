"""Things, over RSGI."""

import asyncio
import email
import email.policy
import hashlib
import html
import json
import pathlib
import threading
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, quote

from framework import Answer, File, Framework

app = Framework()
done, tasks = [], set()
STATIC = str(pathlib.Path(__file__).parent / "static")


def as_json(value, **more):
    return Answer(body=json.dumps(value), kind="application/json", **more)


def described(pieces):
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
    return {"size": size, "sha256": digest.hexdigest()}


@app.route("/")
async def page(scope, protocol):
    return Answer(body="<h1>Thïngs</h1>", kind="text/html; charset=utf-8")


@app.route(r"/things/(\d+)")
async def thing(scope, protocol, number):
    return as_json({"number": int(number), "q": parse_qs(scope.query_string).get("q", [None])[0]})


@app.route("/form", "POST")
async def form(scope, protocol):
    fields = parse_qs((await protocol()).decode())
    raise Answer(303, headers=[("location", "/hello/" + quote(fields["name"][0]))])


@app.route("/hello/(.*)")
async def hello(scope, protocol, name):
    return Answer(body=f"Hello, {name}")


@app.route("/upload", "POST")
async def upload(scope, protocol):
    head = f"Content-Type: {scope.headers['content-type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + await protocol(), policy=email.policy.HTTP)
    file = next(part for part in message.iter_parts() if part.get_param("name", header="content-disposition") == "file")
    return as_json({"name": file.get_filename(), **described([file.get_payload(decode=True)])})


@app.route("/upload", "PUT")
async def put(scope, protocol):
    return as_json(described([piece async for piece in protocol]))


@app.route("/stream")
async def stream(scope, protocol):
    async def pieces():
        for number in range(1000):
            yield f"{number}\n" if number % 2 else f"{number}\n".encode()

    return Answer(body=pieces())


@app.route("/visits")
async def visits(scope, protocol):
    cookies = SimpleCookie(scope.headers.get("cookie", ""))
    count = int(cookies["visits"].value) + 1 if "visits" in cookies else 1
    return as_json({"visits": count}, headers=[("set-cookie", f"visits={count}; Path=/")])


@app.route("/broken")
async def broken(scope, protocol):
    raise RuntimeError("a thing fell apart")


@app.route("/teapot")
async def teapot(scope, protocol):
    return Answer(418)


@app.route("/rendered")
async def rendered(scope, protocol):
    name = html.escape(parse_qs(scope.query_string)["name"][0])
    return Answer(body=f'<h1>Hello, {name}</h1><a href="/things/7">7</a>', kind="text/html; charset=utf-8")


@app.route("/background")
async def background(scope, protocol):
    async def later():
        await asyncio.sleep(0.01)
        done.append("async")

    task = asyncio.create_task(later())
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return as_json(done)


@app.route("/state")
async def state(scope, protocol):
    return as_json({"started": app.started})


@app.route("/threaded")
async def threaded(scope, protocol):
    return as_json({"main": await asyncio.to_thread(threading.current_thread) is threading.main_thread()})


@app.route("/static/(.*)")
async def static(scope, protocol, name):
    return File(STATIC, name)


@app.socket("/echo")
async def echo(socket):
    await socket.accept()
    while True:
        await socket.send(await socket.messages.get())


@app.socket("/closing")
async def closing(socket):
    await socket.accept()
    cookies = SimpleCookie(socket.scope.headers.get("cookie"))
    await socket.send(json.dumps({"q": parse_qs(socket.scope.query_string)["q"][0], "cookie": cookies["visits"].value,
                                  "started": app.started}))
    socket.status = 4001


@app.socket("/refused")
async def refused(socket):
    """Ends without having accepted."""
