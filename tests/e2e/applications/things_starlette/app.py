"""Things, by Starlette; and what its handlers do with anyio, httpx, aiosqlite, threads and processes."""

import asyncio
import contextlib
import hashlib
import json
import ssl
import pathlib
import sys
import threading

import aiosqlite
import anyio
import anyio.to_thread
import httpx
import sniffio
from starlette.applications import Starlette
from starlette.background import BackgroundTasks
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import (
    FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse)
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

HERE = pathlib.Path(__file__).parent
templates = Jinja2Templates(HERE / "templates")
done = []


async def page(request):
    return HTMLResponse("<h1>Thïngs</h1>")


async def thing(request):
    return JSONResponse({"number": request.path_params["number"], "q": request.query_params.get("q")})


async def form(request):
    async with request.form() as fields:
        return RedirectResponse(f"/hello/{fields['name']}", 303)


async def hello(request):
    return PlainTextResponse(f"Hello, {request.path_params['name']}")


class Upload(HTTPEndpoint):
    async def post(self, request):
        async with request.form() as fields:
            file = fields["file"]
            content = await file.read()
            return JSONResponse({"name": file.filename, "size": len(content),
                                 "sha256": hashlib.sha256(content).hexdigest()})

    async def put(self, request):
        digest, size = hashlib.sha256(), 0
        async for piece in request.stream():
            digest.update(piece)
            size += len(piece)
        return JSONResponse({"size": size, "sha256": digest.hexdigest()})


async def stream(request):
    async def pieces():
        for number in range(1000):
            yield f"{number}\n"
            await anyio.sleep(0)

    return StreamingResponse(pieces(), media_type="text/plain")


async def visits(request):
    count = int(request.cookies.get("visits", 0)) + 1
    response = JSONResponse({"visits": count})
    response.set_cookie("visits", str(count), httponly=True, samesite="lax")
    response.set_cookie("second", "two")
    return response


async def broken(request):
    raise RuntimeError("a thing fell apart")


async def teapot(request):
    raise HTTPException(418, "short and stout", {"X-Pot": "tea"})


async def state(request):
    return JSONResponse({"started": request.state.started, "who": request.state.who})


async def file(request):
    return FileResponse(HERE / "static/style.css", filename="stÿle.css")


async def rendered(request):
    return templates.TemplateResponse(request, "page.html", {"name": request.query_params["name"]})


async def background(request):
    tasks = BackgroundTasks()

    async def later(word):
        await anyio.sleep(0.01)
        done.append(word)

    tasks.add_task(later, "async")
    tasks.add_task(lambda: done.append(threading.current_thread() is not threading.main_thread()))
    return JSONResponse(list(done), background=tasks)


async def together(request):
    """A task group, a cancel scope, a lock and a stream of anyio's."""
    order, (sender, receiver) = [], anyio.create_memory_object_stream(8)
    event = anyio.Event()

    async def first():
        await event.wait()
        async with sender:
            await sender.send("first")

    async def second():
        event.set()

    async with anyio.create_task_group() as group:
        group.start_soon(first)
        group.start_soon(second)
        async with receiver:
            order.extend([each async for each in receiver])
    with anyio.move_on_after(0.01) as scope:
        await anyio.sleep_forever()
    try:
        with anyio.fail_after(0.01):
            await anyio.sleep_forever()
    except TimeoutError:
        order.append("timeout")
    return JSONResponse({"order": order, "cancelled": scope.cancelled_caught,
                         "library": sniffio.current_async_library(), "task": asyncio.current_task() is not None})


def threaded(request):
    """A plain function: Starlette runs it in a thread."""
    back = anyio.from_thread.run(anyio.to_thread.run_sync, threading.get_ident)
    return JSONResponse({"main": threading.current_thread() is threading.main_thread(),
                         "loop": anyio.from_thread.run_sync(threading.get_ident) == threading.main_thread().ident,
                         "another": back not in (threading.get_ident(), threading.main_thread().ident)})


async def threads(request):
    loop = asyncio.get_running_loop()
    names = await asyncio.gather(loop.run_in_executor(None, threading.get_ident),
                                 asyncio.to_thread(threading.get_ident),
                                 anyio.to_thread.run_sync(threading.get_ident))
    return JSONResponse({"others": all(name != threading.get_ident() for name in names)})


async def process(request):
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import sys; print(sys.stdin.read()[::-1]); sys.exit(3)",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    out, _ = await child.communicate(b"abc")
    result = await anyio.run_process([sys.executable, "-c", "print('anyio')"], input=b" ")  # there is no /dev/null
    return JSONResponse([out.decode().strip(), child.returncode, result.stdout.decode().strip()])


async def database(request):
    async with aiosqlite.connect("/tmp/things.sqlite3") as connection:
        await connection.execute("CREATE TABLE IF NOT EXISTS visit (number INTEGER PRIMARY KEY)")
        await connection.execute("INSERT INTO visit DEFAULT VALUES")
        await connection.commit()
        async with connection.execute("SELECT count(*) FROM visit") as rows:
            return JSONResponse([row[0] async for row in rows])


async def client(request):
    """A client inside: over the network to this very server, and without one to this very application."""
    host, port = request.scope["server"]
    context = ssl.create_default_context()  # httpx would ask certifi for the machine's bundle, and there may be none
    async with httpx.AsyncClient(verify=context) as over:
        first = await over.get(f"http://{host}:{port}/things/1?q=over")
    inner = httpx.ASGITransport(request.app)
    async with httpx.AsyncClient(transport=inner, base_url="http://inside", verify=context) as inside:
        second = await inside.get("/things/2")
    refused = ""
    try:
        async with httpx.AsyncClient(verify=context) as over:
            await over.get(f"https://{host}:{port}/")
    except httpx.ConnectError as error:
        refused = repr(error)
    return JSONResponse([first.json(), second.json(), refused])


async def address(request):
    return JSONResponse({"url": str(request.url), "for": str(request.url_for("thing", number=7)),
                         "client": request.client.host, "root": request.scope["root_path"]})


class Echo(WebSocketEndpoint):
    async def on_connect(self, websocket):
        offered = websocket.scope["subprotocols"]
        await websocket.accept("things" if "things" in offered else None, headers=[(b"x-who", b"starlette")])

    async def on_receive(self, websocket, data):
        await (websocket.send_bytes if isinstance(data, bytes) else websocket.send_text)(data)

    async def decode(self, websocket, message):
        return message["text"] if message.get("text") is not None else message["bytes"]

    async def on_disconnect(self, websocket, close_code):
        done.append(close_code)


async def closing(websocket):
    """Says what it is asked for, and closes."""
    await websocket.accept()
    await websocket.send_json({"q": websocket.query_params["q"], "cookie": websocket.cookies.get("visits"),
                               "started": websocket.state.started})
    await websocket.close(4001, "that is all")


async def denied(websocket):
    await websocket.send_denial_response(PlainTextResponse("not you", 401, {"X-Why": "because"}))


async def refused(websocket):
    await websocket.close()


class Timing:
    """Middleware in plain ASGI: a header for every answer."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        async def send_more(message):
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-middleware", b"yes")]
            await send(message)

        await self.app(scope, receive, send_more if scope["type"] == "http" else send)


@contextlib.asynccontextmanager
async def lifespan(app):
    async with anyio.create_task_group():
        yield {"started": 1, "who": "lifespan"}
    print(json.dumps({"lifespan": "ended"}), file=sys.stderr, flush=True)


async def log_missing(request, error):
    return JSONResponse({"missing": request.url.path}, 404)


app = Starlette(
    lifespan=lifespan, exception_handlers={404: log_missing},
    middleware=[Middleware(Timing), Middleware(GZipMiddleware, minimum_size=2000),
                Middleware(CORSMiddleware, allow_origins=["https://other.test"])],
    routes=[
        Route("/", page), Route("/things/{number:int}", thing), Route("/form", form, methods=["POST"]),
        Route("/hello/{name:path}", hello), Route("/upload", Upload), Route("/stream", stream),
        Route("/visits", visits),
        Route("/broken", broken), Route("/teapot", teapot), Route("/state", state), Route("/file", file),
        Route("/rendered", rendered), Route("/background", background), Route("/together", together),
        Route("/threaded", threaded), Route("/threads", threads), Route("/process", process),
        Route("/database", database), Route("/client", client), Route("/address", address),
        Route("/nothing-to-say", lambda request: Response(status_code=204)),
        Mount("/static", StaticFiles(directory=HERE / "static")),
        WebSocketRoute("/echo", Echo), WebSocketRoute("/closing", closing), WebSocketRoute("/denied", denied),
        WebSocketRoute("/refused", refused)])
