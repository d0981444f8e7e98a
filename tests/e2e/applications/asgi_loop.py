"""Uses asyncio as applications do. Each path is a coroutine function whose result is answered as a literal."""

import asyncio
import contextvars
import os
import signal
import socket
import tempfile
import threading
import time

from asgi_common import answer, argument, event, pid, routed, say

VARIABLE = contextvars.ContextVar("variable", default="unset")
KEPT = set()


async def facts(scope):
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    return {"loop": isinstance(loop, asyncio.AbstractEventLoop), "selector": isinstance(loop, asyncio.SelectorEventLoop),
            "running": loop.is_running(), "closed": loop.is_closed(), "debug": loop.get_debug(),
            "policy": asyncio.get_event_loop() is loop, "task": isinstance(task, asyncio.Task),
            "listed": task in asyncio.all_tasks(), "own coroutine": task.get_coro() is not None,
            "named": bool(task.get_name()), "main": threading.current_thread() is threading.main_thread(),
            "factory": loop.get_task_factory() is None}


async def processes(scope):
    """Programs with pipes, one that fails, one that is killed, several at once."""
    run = asyncio.create_subprocess_exec
    pipe = asyncio.subprocess.PIPE
    cat = await run("/bin/cat", stdin=pipe, stdout=pipe)
    out, _ = await cat.communicate(b"x" * 300_000)
    shell = await asyncio.create_subprocess_shell("echo out; echo err >&2; exit 7", stdout=pipe, stderr=pipe)
    told = await shell.communicate()
    sleeper = await run("/bin/sleep", "1000")
    sleeper.kill()
    many = await asyncio.gather(*(run("/bin/sh", "-c", f"exit {i}") for i in range(10)))
    return [len(out), cat.returncode, told, shell.returncode, await sleeper.wait(),
            [await process.wait() for process in many]]


async def signals(scope):
    """A handler of the loop for a signal of the application's own."""
    loop, came = asyncio.get_running_loop(), []
    got = asyncio.Event()

    def handle(number):
        came.append(number)
        got.set()

    loop.add_signal_handler(signal.SIGALRM, handle, 14)
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    await got.wait()
    got.clear()
    os.kill(os.getpid(), signal.SIGALRM)
    await got.wait()
    return [came, loop.remove_signal_handler(signal.SIGALRM), loop.remove_signal_handler(signal.SIGALRM)]


async def streams(scope):
    """A server and clients inside, over TCP and a unix socket."""
    async def upper(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()

    result = []
    with tempfile.TemporaryDirectory() as folder:
        for unix in (False, True):
            server = await (asyncio.start_unix_server(upper, f"{folder}/s") if unix
                            else asyncio.start_server(upper, "127.0.0.1", 0))
            address = server.sockets[0].getsockname()
            for text in ("one", "two"):
                reader, writer = await (asyncio.open_unix_connection(address) if unix
                                        else asyncio.open_connection(*address))
                writer.write(f"{text}\n".encode() + b"x" * 50_000 + b"\n")
                writer.write_eof()
                result.append(len(await reader.read()))
                writer.close()
                await writer.wait_closed()
            server.close()
            await server.wait_closed()
    return result


async def sockets(scope):
    """What is below streams."""
    loop = asyncio.get_running_loop()
    one, two = socket.socketpair()
    result = []
    with one, two:
        one.setblocking(False)
        two.setblocking(False)
        sending = asyncio.ensure_future(loop.sock_sendall(one, b"x" * 2_000_000))
        size = 0
        while size < 2_000_000:
            size += len(await loop.sock_recv(two, 100_000))
        await sending
        result.append(size)
        readable = asyncio.Event()
        loop.add_reader(two, readable.set)
        one.send(b"y")
        await readable.wait()
        result += [two.recv(10), loop.remove_reader(two), loop.remove_reader(two)]
        writable = asyncio.Event()
        loop.add_writer(one, writable.set)
        await writable.wait()
        result.append(loop.remove_writer(one))
    reading, writing = os.pipe()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", 0))
    os.write(writing, b"through a pipe")
    os.close(writing)
    result.append(await reader.read())
    transport.close()
    return result


async def datagrams(scope):
    received = asyncio.get_running_loop().create_future()

    class Server(asyncio.DatagramProtocol):
        def datagram_received(self, data, address):
            received.set_result(data)

    loop = asyncio.get_running_loop()
    server, _ = await loop.create_datagram_endpoint(Server, ("127.0.0.1", 0))
    client, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol,
                                                    remote_addr=server.get_extra_info("sockname"))
    client.sendto(b"a datagram")
    try:
        return await received
    finally:
        client.close()
        server.close()


async def executors(scope):
    """Threads, which keep the context where they should; names; exceptions."""
    loop = asyncio.get_running_loop()
    VARIABLE.set("for the thread")
    result = [await asyncio.to_thread(VARIABLE.get), await loop.run_in_executor(None, sum, [1, 2]),
              await loop.run_in_executor(None, threading.get_ident) != threading.get_ident()]
    try:
        await asyncio.to_thread(int, "x")
    except ValueError:
        result.append("raised")
    result.append(len(await asyncio.gather(*(asyncio.to_thread(time.sleep, 0.001) for _ in range(20)))))
    result.append((await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM))[0][4])
    return result


async def threadsafe(scope):
    """Other threads wake a loop that has nothing else to do."""
    loop, result = asyncio.get_running_loop(), []
    for _ in range(100):
        future = loop.create_future()
        threading.Thread(target=loop.call_soon_threadsafe, args=(future.set_result, 1)).start()
        result.append(await future)

    async def inside():
        return threading.current_thread() is threading.main_thread()

    def outside():
        return asyncio.run_coroutine_threadsafe(inside(), loop).result()
    return [sum(result), await asyncio.to_thread(outside)]


async def timers(scope):
    """In their order, never too early; those that are cancelled not at all."""
    loop = asyncio.get_running_loop()
    came, done = [], asyncio.Event()
    begin = loop.time()
    for delay in (0.02, 0.005, 0.01, 0, 0.0001, 0.03):
        loop.call_later(delay, lambda delay=delay: came.append((delay, loop.time() - begin)))
    loop.call_later(0.015, came.append, "cancelled").cancel()
    loop.call_at(begin + 0.04, done.set)
    await done.wait()
    late = max(at - delay for delay, at in came)
    return [[delay for delay, _ in came], all(at >= delay - 0.001 for delay, at in came), late]


async def idle_timers(scope):
    """How late a timer is in a loop that has nothing else to do, at best: milliseconds."""
    late = []
    for _ in range(20):
        begin = time.monotonic()
        await asyncio.sleep(0.002)
        late.append(time.monotonic() - begin - 0.002)
    return min(late) * 1000


async def groups(scope):
    """TaskGroup, timeout, wait_for, shield, gather, as_completed."""
    result, loop = [], asyncio.get_running_loop()

    async def value(number):
        await asyncio.sleep(0)
        return number

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(value(number)) for number in range(3)]
    result.append([task.result() for task in tasks])
    ended = []

    async def forever():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(1)

    async def fail():
        raise KeyError("failed")
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(forever())
            await asyncio.sleep(0)
            group.create_task(fail())
    except* KeyError as caught:
        result.append((len(caught.exceptions), len(ended)))
    try:
        async with asyncio.timeout(0.001):
            await forever()
    except TimeoutError:
        result.append("timeout")
    try:
        await asyncio.wait_for(forever(), 0.001)
    except TimeoutError:
        result.append("wait_for")
    shielded = loop.create_future()
    waiting = asyncio.ensure_future(asyncio.shield(shielded))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    result.append((waiting.cancelled(), shielded.cancelled()))
    result.append(sorted([await task for task in asyncio.as_completed([value(1), value(2)])]))
    return result


async def order(scope):
    """Tasks are as lazy as asyncio's are, unless they are asked for."""
    steps = []

    async def step(name):
        steps.append(name)
        await asyncio.sleep(0)
        steps.append(name + " again")

    loop = asyncio.get_running_loop()
    lazy = asyncio.create_task(step("lazy"))
    loop.call_soon(steps.append, "callback")
    eager = asyncio.Task(step("eager"), loop=loop, eager_start=True)
    steps.append("here")
    await asyncio.gather(lazy, eager)
    return steps


async def context(scope):
    """What this request has seen and set; a task and a callback of it have copies."""
    before = VARIABLE.get()
    VARIABLE.set(argument(scope))
    await asyncio.sleep(0)

    async def inside():
        seen = VARIABLE.get()
        VARIABLE.set("of a task")
        return seen
    seen = await asyncio.create_task(inside())
    called = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(lambda: called.set_result(VARIABLE.get()))
    return [before, seen, await called, VARIABLE.get()]


async def context_held(scope):
    """?NAME: the same while others run."""
    before = VARIABLE.get()
    VARIABLE.set(argument(scope))
    say("held", argument(scope))
    await event("release").wait()
    return [before, VARIABLE.get()]


async def spin(scope):
    """?NAME: turns and turns, and lets others."""
    count = 0
    say("spins", argument(scope))
    while not event(argument(scope)).is_set():
        await asyncio.sleep(0)
        count += 1
    return count > 0


async def in_executor(scope):
    """?FIFO: a thread waits for it."""
    def wait():
        say("thread waits")
        with open(argument(scope)) as gate:
            gate.read()
        return "from the thread"
    return await asyncio.to_thread(wait)


async def uncaught_task(scope):
    async def fail():
        raise RuntimeError("of a task that nobody awaits")
    task = asyncio.create_task(fail())
    while not task.done():
        await asyncio.sleep(0)
    del task
    return "left"


async def uncaught_callback(scope):
    def fail():
        raise RuntimeError("of a callback")
    asyncio.get_running_loop().call_soon(fail)
    await asyncio.sleep(0)
    return "left"


async def uncaught_exit(scope):
    """BaseExceptions of callbacks and tasks come out of the loop."""
    def leave():
        raise SystemExit(9)
    asyncio.get_running_loop().call_soon(leave)
    await asyncio.sleep(0)
    return "left"


async def own_handler(scope):
    loop, seen = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda loop, told: seen.append(str(told["exception"])))
    loop.call_soon(lambda: 1 / 0)
    await asyncio.sleep(0)
    loop.set_exception_handler(None)
    return seen


def refused(call):
    try:
        call()
    except RuntimeError:
        return True
    return False


async def misuse(scope):
    """What a running loop refuses."""
    loop = asyncio.get_running_loop()

    async def nothing():
        pass
    coroutines = [nothing() for _ in range(2)]
    try:
        return [refused(loop.close), refused(loop.run_forever), refused(lambda: loop.run_until_complete(coroutines[0])),
                refused(lambda: asyncio.run(coroutines[1]))]
    finally:
        for coroutine in coroutines:
            coroutine.close()


async def stop(scope):
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0)
    return "stopped"


async def run_in_thread(scope):
    """A loop of another thread's own."""
    async def inside():
        await asyncio.sleep(0.001)
        reader, writer = await asyncio.open_connection(*scope["server"])
        writer.write(b"GET /ok HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        text = await reader.read()
        writer.close()
        return text.endswith(b"ok")
    return await asyncio.to_thread(asyncio.run, inside())


async def ask_oneself(scope):
    """A client in the loop that serves it."""
    async def ask():
        reader, writer = await asyncio.open_connection(*scope["server"])
        writer.write(b"GET /ok HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        text = await reader.read()
        writer.close()
        return text.endswith(b"ok")
    return sum(await asyncio.gather(*(ask() for _ in range(20))))


async def generator_left(scope):
    """One that is at its yield when the server ends."""
    async def generate():
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            say("generator closed")
    generator = generate()
    KEPT.add(generator)
    return await anext(generator)


async def generator_dropped(scope):
    """One that nobody holds any more is closed by the loop."""
    closed = asyncio.Event()

    async def generate():
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            closed.set()
    async for _ in generate():
        break
    await closed.wait()
    return "closed"


async def primitives(scope):
    result, lock, queue, condition = [], asyncio.Lock(), asyncio.Queue(2), asyncio.Condition()
    semaphore = asyncio.Semaphore(2)

    async def produce():
        for number in range(10):
            await queue.put(number)

    async def use():
        async with semaphore, lock:
            await asyncio.sleep(0)
            result.append(1)
    async with asyncio.TaskGroup() as group:
        group.create_task(produce())
        for _ in range(5):
            group.create_task(use())
        numbers = [await queue.get() for _ in range(10)]

    async def notify():
        async with condition:
            condition.notify_all()
    async with condition:
        notifying = asyncio.create_task(notify())
        await condition.wait()
    await notifying
    return [len(result), sum(numbers)]


async def many_tasks(scope):
    async def one(number):
        await asyncio.sleep(0.0001 * (number % 7))
        return number
    return sum(await asyncio.gather(*(one(number) for number in range(5000))))


async def slow_callback(scope):
    await asyncio.sleep(0)
    time.sleep(0.15)
    return "slow"


async def tasks(scope):
    return len(asyncio.all_tasks())


def answered(function):
    async def application(scope, receive, send):
        await answer(send, repr(await function(scope)).encode())
    return application


FUNCTIONS = [facts, processes, signals, streams, sockets, datagrams, executors, threadsafe, timers, idle_timers, groups,
             order, context, context_held, spin, in_executor, uncaught_task, uncaught_callback, uncaught_exit,
             own_handler, misuse, stop, run_in_thread, ask_oneself, generator_left, generator_dropped, primitives,
             many_tasks, slow_callback, tasks]

app = routed({"/pid": pid, **{"/" + function.__name__: answered(function) for function in FUNCTIONS}})
