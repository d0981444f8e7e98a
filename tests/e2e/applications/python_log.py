"""What applications write and log, under each interface: a path says what is done, the request's id stands in each line.

Lines are "WHAT ID": WHAT names the place that the line comes from, ID is what limpet.request_id() says there.
"""

import asyncio
import codecs
import contextvars
import faulthandler
import io
import logging
import multiprocessing
import os
import sys
import threading
import traceback
import warnings

import limpet

TASKS = set()


def say(what, file=None):
    print(what, limpet.request_id(), file=file)


def divide():
    return 1 / 0


# --- What is written ---


def streams():
    say("to stdout")
    say("to stderr", sys.stderr)
    sys.stdout.write("several\nlines\n")
    print("one", end=" ")
    print("line", end="")
    print()
    print("flushed", end="")
    sys.stdout.flush()
    print("unended", end="")


def garbage():
    sys.stderr.buffer.write(b"garbage \xff\xfe\x00\x1b[31m" + bytes(range(1, 10)) + b"\n")
    print("surrogate \udcff", "null \0", "caf\u00e9 \U0001f600")
    sys.stdout.buffer.write(memoryview(b"bytes\r\n"))
    print("10%\r20%\r30%")


def huge():
    print("<" + "h" * 1_000_000 + ">")
    print("unended " + "u" * 200_000, end="")
    print("\n".join(f"line {number}" for number in range(1000)))


def tracebacks():
    try:
        divide()
    except ZeroDivisionError:
        traceback.print_exc()
        logging.getLogger("shop.cart").exception("it does not divide")
    thread = threading.Thread(target=divide, name="dividing")
    thread.start()
    thread.join()


def unraisable():
    class Broken:
        def __del__(self):
            raise ValueError("in __del__")

    Broken()


def warn():
    warnings.warn("that is old")


def log():
    logger = logging.getLogger("shop.cart")
    logger.info("nobody wants this")
    logger.warning("careful, %s", "friend")
    logger.error("a line\nand another")


def fail():
    raise LookupError("nothing there")


def interface():
    """What libraries ask of a stream."""
    facts = []
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        facts.append(stream.fileno() == stream.buffer.fileno() == number)
        facts.append(stream.encoding == "utf-8" and stream.writable() and not stream.isatty() and not stream.readable())
        facts.append(not stream.closed)
        stream.reconfigure(encoding="utf-8", errors="replace", line_buffering=True)
        stream.close()
        facts.append(stream.write("still there\n") == 12)
        facts.append(stream.buffer.write(b"and below\n") == 10)
    for mistake in (lambda: sys.stdout.write(b"bytes"), lambda: sys.stdout.buffer.write("text")):
        try:
            mistake()
            facts.append(False)
        except TypeError:
            facts.append(True)
    return repr(all(facts) and facts)


def wrappers():
    """What applications put around a stream, and throw away."""
    faulthandler.enable()
    wrapper = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", line_buffering=True)
    print("wrapped", file=wrapper)
    del wrapper
    print("detached", file=io.TextIOWrapper(sys.stdout.detach(), write_through=True), flush=True)
    codecs.getwriter("utf-8")(sys.stderr.buffer).write("a codec's\n")
    sys.stdout.writelines(["lines\n", "of a list\n"])
    with os.fdopen(os.dup(sys.stderr.fileno()), "w") as past:
        print("past the log", file=past)
    print("to the end")
    faulthandler.disable()


def handlers():
    """As frameworks configure logging: a stream, and ours."""
    plain = logging.getLogger("plain")
    stream = logging.StreamHandler()
    stream.setFormatter(logging.Formatter("%(levelname)s:     %(message)s"))
    ours = logging.getLogger("ours")
    ours.setLevel(logging.DEBUG)
    plain.handlers, ours.handlers = [stream], [limpet.LogHandler()]
    plain.propagate = ours.propagate = False
    plain.warning("as uvicorn does")
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(ours, level)("at %s", level)


def threads():
    for name, context in (("plain thread", contextvars.Context()), ("thread in a copy", contextvars.copy_context())):
        thread = threading.Thread(target=context.run, args=(say, name))
        thread.start()
        thread.join()
    asyncio.run(say_asynchronously("run"))


def fork():
    process = multiprocessing.get_context("fork").Process(target=say, args=("forked",))
    process.start()
    process.join()


ACTIONS = {f"/{action.__name__}": action for action in (
    streams, garbage, huge, tracebacks, unraisable, warn, log, fail, interface, wrappers, handlers, threads, fork)}


# --- Interfaces ---


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/errors":
        print("to wsgi.errors", limpet.request_id(), file=environ["wsgi.errors"])
    answer = ACTIONS.get(path, lambda: None)()
    start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/generator":
        return generate()
    return [f"{answer or limpet.request_id()}".encode()]


def generate():
    try:
        say("first piece")
        yield b"1"
        say("second piece")
        yield b"2"
    finally:
        say("closed")


async def say_asynchronously(what):
    await asyncio.sleep(0)
    say(what)
    await asyncio.to_thread(say, f"{what}: to_thread")


async def work(answer):
    """What asynchronous applications do around answer()."""
    loop = asyncio.get_running_loop()
    say("at first")
    await asyncio.sleep(0)
    say("later")
    await asyncio.gather(say_asynchronously("gathered"), loop.create_task(say_asynchronously("task")))
    async with asyncio.TaskGroup() as group:
        group.create_task(say_asynchronously("of a group"))
    called = loop.create_future()
    loop.call_soon(lambda: (say("called soon"), called.set_result(None)))
    await called
    task = asyncio.create_task(say_later())
    TASKS.add(task)
    task.add_done_callback(TASKS.discard)
    answer()
    say("behind the answer")
    await asyncio.sleep(0.02)
    say("long behind it")


async def say_later():
    await asyncio.sleep(0.05)
    say("in the background")


async def async_app(scope, receive, send):
    if scope["type"] == "lifespan":
        say("lifespan")
        raise NotImplementedError
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        say("accepted")
        await receive()
        say("received")
        await send({"type": "websocket.close"})
        return
    answer = ACTIONS.get(scope["path"], lambda: None)()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    last = {"type": "http.response.body", "body": f"{answer or limpet.request_id()}".encode()}
    if scope["path"] == "/work":
        sent = []
        await work(lambda: sent.append(asyncio.ensure_future(send(last))))
        await sent[0]
    else:
        await send(last)
        if scope["path"] == "/":
            say("behind the answer")


class Rsgi:
    async def __rsgi__(self, scope, protocol):
        if scope.proto == "ws":
            transport = await protocol.accept()
            say("accepted")
            await transport.receive()
            say("received")
            protocol.close()
            return
        answer = ACTIONS.get(scope.path, lambda: None)()

        def respond():
            protocol.response_str(200, [], f"{answer or limpet.request_id()}")

        if scope.path == "/work":
            await work(respond)
        else:
            respond()
            if scope.path == "/":
                say("behind the answer")


rsgi_app = Rsgi()
say("imported")
threading.Thread(target=print, args=("a thread's last words",), kwargs={"end": ""}).start()
print("the worker's last words", end="")
