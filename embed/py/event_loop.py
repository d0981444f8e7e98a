"""A worker's event loop: asyncio's own, whose selector lets the reactor run while it waits (loop.c)."""

import asyncio
import asyncio.runners
import os
import selectors

import _limpet
from limpet import lifespan


class Selector(selectors.EpollSelector):
    """Descriptors that the application watches are in an epoll set of their own, which the reactor watches.

    attach() puts a function in the place of select(): it returns when there is something to do for Python.
    """

    def attach(self, select):
        """Let the reactor wait; None: wait without it again."""
        if select is not None:
            self.select = select
        else:
            vars(self).pop("select", None)

    def poll(self):
        """What is ready now, as select() returns it."""
        return selectors.EpollSelector.select(self, 0)


class EventLoop(asyncio.SelectorEventLoop):
    """asyncio's own. A task's context is a copy of its maker's, which is to know the request that is worked on."""

    # In the class, not in the loop as loop.c's: one attribute more and a loop's were no longer found at their places.
    def create_task(self, coro, **options):
        """As asyncio's."""
        _limpet.tell_context()
        task = super().create_task(coro, **options)
        if getattr(task, "_source_traceback", None):
            del task._source_traceback[-1]
        return task


def make():
    """A new event loop, the current one of this thread. Returns (loop, selector)."""
    selector = Selector()
    loop = EventLoop(selector)
    # An isolated interpreter passes this over, but --env-files may have set it for the application.
    loop.set_debug(loop.get_debug() or bool(os.environ.get("PYTHONASYNCIODEBUG")))
    asyncio.set_event_loop(loop)
    return loop, selector


def start(loop, applications):
    """Run what the applications do before they serve.

    applications: (interface, object, callable, name) each; interface: "asgi", "asgi2", "rsgi", or another that has nothing
    to do. Returns what stop() takes and the states of the applications (dicts or None), in order.
    Raises lifespan.StartupFailed, whatever __rsgi_init__ raises.
    """
    running, states = [], []
    try:
        for interface, target, call, name in applications:
            state = None
            if interface in ("asgi", "asgi2"):
                one = lifespan.Lifespan(loop, call, interface == "asgi2", name)
                running.append(one)
                state = one.startup()
            elif interface == "rsgi":
                one = lifespan.Rsgi(loop, target)
                running.append(one)
                one.startup()
            states.append(state)
    except BaseException:
        stop(loop, running)
        raise
    return running, states


def stop(loop, running):
    """Run what they do after the last request, then end what is left of the loop and close it. Raises nothing."""
    steps = [one.shutdown for one in reversed(running)]
    steps.append(lambda: asyncio.runners._cancel_all_tasks(loop))
    steps.append(lambda: loop.run_until_complete(loop.shutdown_asyncgens()))
    steps.append(lambda: loop.run_until_complete(loop.shutdown_default_executor()))
    steps.append(loop.close)
    for step in steps:
        try:
            step()
        except BaseException as error:
            lifespan.report("while the event loop ended", error)
    asyncio.set_event_loop(None)
