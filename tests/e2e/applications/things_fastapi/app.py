"""Things, by FastAPI."""

import hashlib
import pathlib
import threading
from contextlib import asynccontextmanager

import pydantic_annotations  # noqa: F401  before fastapi
from fastapi import (
    BackgroundTasks, Cookie, Depends, FastAPI, File, Form, Header, HTTPException, Request, Response, UploadFile,
    WebSocket)
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel, Field

HERE = pathlib.Path(__file__).parent
templates = Jinja2Templates(HERE / "templates")
done = []


@asynccontextmanager
async def lifespan(app):
    yield {"started": 1}


app = FastAPI(title="Things", version="1.0", lifespan=lifespan)
app.mount("/static", StaticFiles(directory=HERE / "static"))


class Thing(BaseModel):
    name: str = Field(min_length=1, max_length=20)
    price: float = Field(gt=0)
    tags: list[str] = []
    made_of: "Thing | None" = None


class Priced(Thing):
    total: float


@app.get("/", response_class=HTMLResponse)
@app.head("/", response_class=HTMLResponse, include_in_schema=False)
async def page():
    return "<h1>Thïngs</h1>"


@app.get("/things/{number:int}")
async def thing(number: int, q: str | None = None):
    return {"number": number, "q": q}


@app.post("/things", status_code=201, response_model=Priced)
async def make(thing: Thing, response: Response):
    response.headers["Location"] = f"/things/{thing.name}"
    return {**thing.dict(), "total": thing.price * 1.2, "secret": "left out by the model"}


@app.post("/form")
async def form(name: str = Form()):
    return RedirectResponse(f"/hello/{name}", 303)


@app.get("/hello/{name:path}", response_class=PlainTextResponse)
async def hello(name: str):
    return f"Hello, {name}"


def described(content):
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


@app.post("/upload")
async def upload(file: UploadFile = File()):
    return {"name": file.filename, **described(await file.read())}


@app.put("/upload")
async def put(request: Request):
    digest, size = hashlib.sha256(), 0
    async for piece in request.stream():
        digest.update(piece)
        size += len(piece)
    return {"size": size, "sha256": digest.hexdigest()}


@app.get("/stream")
async def stream():
    return StreamingResponse((f"{number}\n" for number in range(1000)), media_type="text/plain")


@app.get("/visits")
async def visit(response: Response, visits: int = Cookie(0)):
    response.set_cookie("visits", str(visits + 1))
    return {"visits": visits + 1}


@app.get("/broken")
async def broken():
    raise RuntimeError("a thing fell apart")


@app.get("/teapot")
async def teapot():
    raise HTTPException(418)


@app.get("/rendered")
async def rendered(request: Request, name: str):
    return templates.TemplateResponse(request, "page.html", {"name": name})


@app.get("/background")
async def background(tasks: BackgroundTasks):
    tasks.add_task(done.append, "async")
    return list(done)


@app.get("/state")
async def state(request: Request):
    return {"started": request.state.started}


@app.get("/threaded")
def threaded():
    return {"main": threading.current_thread() is threading.main_thread()}


async def user(authorization: str = Header()):
    if authorization != "Bearer ada":
        raise HTTPException(401, "who are you?", {"WWW-Authenticate": "Bearer"})
    yield "ada"
    done.append("user left")


@app.get("/me")
async def me(name: str = Depends(user)):
    return {"name": name}


@app.websocket("/echo")
async def echo(websocket: WebSocket):
    offered = websocket.scope["subprotocols"]
    await websocket.accept("things" if "things" in offered else None, [(b"x-who", b"fastapi")])
    while (message := await websocket.receive())["type"] == "websocket.receive":
        if message.get("text") is not None:
            await websocket.send_text(message["text"])
        else:
            await websocket.send_bytes(message["bytes"])


@app.websocket("/closing")
async def closing(websocket: WebSocket, q: str, visits: str = Cookie(None)):
    await websocket.accept()
    await websocket.send_json({"q": q, "cookie": visits, "started": websocket.state.started})
    await websocket.close(4001, "that is all")


@app.websocket("/refused")
async def refused(websocket: WebSocket):
    await websocket.close()
