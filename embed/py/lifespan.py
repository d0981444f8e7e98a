"""What an application does before its first request and after its last: ASGI's lifespan protocol (2.0), and RSGI's
__rsgi_init__ and __rsgi_del__."""

import asyncio
import traceback

import _limpet


class StartupFailed(Exception):
    """The application has said so; the text is its own."""


def report(when, error):
    """Write an exception to the log, as one that nobody handles."""
    _limpet.log_error("application", f"exception {when}")
    traceback.print_exception(error)


class Lifespan:
    """One call of an ASGI application with a scope of type "lifespan", in a task of its own."""

    def __init__(self, loop, call, is_asgi2, name):
        self._loop = loop
        self._call = call
        self._is_asgi2 = is_asgi2
        self._name = name
        self._messages = asyncio.Queue()
        self._state = {}
        self._started = loop.create_future()  # True; a text: it has failed
        self._stopped = loop.create_future()
        self._task = None
        self._is_stopping = False

    def startup(self):
        """Returns the state that requests get copies of; None where the application has no lifespan.

        Raises StartupFailed.
        """
        self._messages.put_nowait({"type": "lifespan.startup"})
        self._task = self._loop.create_task(self._run(), name="lifespan")
        self._loop.run_until_complete(asyncio.wait([self._started, self._task],
                                                   return_when=asyncio.FIRST_COMPLETED))
        if not self._started.done():
            return self._do_without()
        failure = self._started.result()
        if failure is not None:
            raise StartupFailed(f"{self._name}: startup failed" + (f": {failure}" if failure else ""))
        self._task.add_done_callback(self._report_early_end)
        return self._state

    def _report_early_end(self, task):
        """It has ended long before its shutdown, and nobody waits for it."""
        if not self._is_stopping and not task.cancelled() and task.exception() is not None:
            report(f"in the lifespan of {self._name}", task.exception())

    def shutdown(self):
        """Let the application end."""
        self._is_stopping = True
        if self._task is None or self._task.done():
            return
        self._messages.put_nowait({"type": "lifespan.shutdown"})
        self._loop.run_until_complete(asyncio.wait([self._stopped, self._task],
                                                   return_when=asyncio.FIRST_COMPLETED))
        failure = self._stopped.result() if self._stopped.done() else None
        if failure is not None:
            _limpet.log_error("application", f"{self._name}: shutdown failed: {failure}")
        # What it still does behind its answer is little.
        self._loop.run_until_complete(asyncio.wait([self._task], timeout=1))
        error = self._task.exception() if self._task.done() and not self._task.cancelled() else None
        if error is not None and failure is None:
            report(f"in {self._name} at its shutdown", error)

    def _do_without(self):
        """It has ended without a word: it does not know the protocol, as the specification allows."""
        error = None if self._task.cancelled() else self._task.exception()
        why = "it returned" if error is None else f"{type(error).__name__}: {error}".rstrip(": ")
        _limpet.log_info("application", f"{self._name} has no lifespan ({why})")
        return None

    async def _run(self):
        scope = {"type": "lifespan", "asgi": {"version": "2.0" if self._is_asgi2 else "3.0", "spec_version": "2.0"},
                 "state": self._state}
        if self._is_asgi2:
            await self._call(scope)(self._messages.get, self._send)
        else:
            await self._call(scope, self._messages.get, self._send)

    async def _send(self, message):
        kind = message["type"]
        phase, _, outcome = kind.removeprefix("lifespan.").partition(".")
        future = {"startup": self._started, "shutdown": self._stopped}.get(phase)
        if not kind.startswith("lifespan.") or future is None or outcome not in ("complete", "failed"):
            raise ValueError(f"{kind!r} is no message of the lifespan protocol")
        if future.done():
            raise RuntimeError(f"lifespan.{phase} was answered before")
        future.set_result(str(message.get("message", "")) if outcome == "failed" else None)


class Rsgi:
    """The hooks of an RSGI application; they may run the loop."""

    def __init__(self, loop, target):
        self._loop = loop
        self._target = target
        self._is_started = False

    def startup(self):
        """Raises whatever the hook raises."""
        hook = getattr(self._target, "__rsgi_init__", None)
        if hook is not None:
            hook(self._loop)
        self._is_started = True

    def shutdown(self):
        """Raises whatever the hook raises."""
        hook = getattr(self._target, "__rsgi_del__", None)
        if hook is not None and self._is_started:
            hook(self._loop)
