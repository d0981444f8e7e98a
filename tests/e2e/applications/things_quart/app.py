"""Things, by Quart."""

import asyncio
import hashlib

from quart import (
    Quart, Response, abort, copy_current_websocket_context, jsonify, make_response, redirect, render_template, request,
    stream_with_context, url_for, websocket)

app = Quart(__name__)
done = []


def described(content):
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


@app.before_serving
async def start():
    app.started = 1


@app.after_serving
async def stop():
    print("after serving", flush=True)


@app.get("/")
async def page():
    return "<h1>Thïngs</h1>"


@app.get("/things/<int:number>")
async def thing(number):
    return {"number": number, "q": request.args.get("q")}


@app.post("/form")
async def form():
    return redirect(url_for("hello", name=(await request.form)["name"]), 303)


@app.get("/hello/<path:name>")
async def hello(name):
    return Response(f"Hello, {name}", mimetype="text/plain")


@app.post("/upload")
async def upload():
    file = (await request.files)["file"]
    return {"name": file.filename, **described(file.read())}


@app.put("/upload")
async def put():
    digest, size = hashlib.sha256(), 0
    async for piece in request.body:
        digest.update(piece)
        size += len(piece)
    return {"size": size, "sha256": digest.hexdigest()}


@app.get("/stream")
async def stream():
    @stream_with_context
    async def pieces():
        for number in range(1000):
            yield f"{number}\n".encode()

    return pieces(), {"Content-Type": "text/plain"}


@app.get("/visits")
async def visits():
    count = int(request.cookies.get("visits", 0)) + 1
    response = await make_response(jsonify(visits=count))
    response.set_cookie("visits", str(count))
    return response


@app.get("/broken")
async def broken():
    raise RuntimeError("a thing fell apart")


@app.get("/teapot")
async def teapot():
    abort(418)


@app.get("/rendered")
async def rendered():
    return await render_template("page.html", name=request.args["name"])


@app.get("/background")
async def background():
    async def later():
        await asyncio.sleep(0.01)
        done.append("async")

    app.add_background_task(later)
    return jsonify(list(done))


@app.get("/state")
async def state():
    return {"started": app.started}


@app.get("/threaded")
def threaded():
    """A plain function: Quart runs it in a thread."""
    import threading

    return {"main": threading.current_thread() is threading.main_thread()}


@app.websocket("/echo")
async def echo():
    offered = websocket.requested_subprotocols
    await websocket.accept(headers={"X-Who": "quart"}, subprotocol="things" if "things" in offered else None)

    @copy_current_websocket_context
    async def answer():
        while True:
            await websocket.send(await websocket.receive())

    await asyncio.gather(answer())


@app.websocket("/closing")
async def closing():
    await websocket.send_json({"q": websocket.args["q"], "cookie": websocket.cookies.get("visits"),
                               "started": app.started})
    await websocket.close(4001, "that is all")


@app.websocket("/refused")
async def refused():
    abort(403)
