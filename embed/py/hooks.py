"""Functions of an application that limpet calls at certain times of a server's life.

    from limpet import hooks

    @hooks.on_worker_start
    def connect():
        ...

Each of the functions here takes a callable without arguments and returns it, so that it can be used as a decorator.
Those of one kind are called in the order in which they were registered. Where no server of limpet's runs the
application, as under "limpet python manage.py", they are never called.
"""

import sys

_hooks = {"on_start": [], "on_worker_start": [], "on_worker_stop": [], "on_stop": [], "post_fork": []}

# What ends anyway: one that fails does not keep the others from their work.
_GO_ON = {"on_worker_stop", "on_stop"}


def on_start(hook):
    """Once per server, before any worker serves. An exception ends the server."""
    return _register("on_start", hook)


def on_worker_start(hook):
    """In every worker, after the application was loaded and before it serves. An exception fails the worker's start."""
    return _register("on_worker_start", hook)


def on_worker_stop(hook):
    """In every worker, as soon as it is told to stop, while its requests are being finished; in a thread of its own.

    An exception is written to the log.
    """
    return _register("on_worker_stop", hook)


def on_stop(hook):
    """Once per server, after the last request was answered. An exception is written to the log."""
    return _register("on_stop", hook)


def post_fork(hook):
    """With --preload: in every worker, the first thing after it was forked from the loaded application.

    For what must not be shared between processes: random numbers, connections, threads. An exception fails the worker's
    start.
    """
    return _register("post_fork", hook)


def _register(name, hook):
    if not callable(hook):
        raise TypeError(f"{name} takes a callable, not {type(hook).__name__}")
    _hooks[name].append(hook)
    return hook


def _has(name):
    """Whether any are registered."""
    return bool(_hooks[name])


def _run(name):
    """Call those of one kind. Called by limpet's C half."""
    # One that registers another adds to the list, which then comes to it.
    for hook in _hooks[name]:
        try:
            hook()
        except BaseException as error:
            if name not in _GO_ON:
                raise
            _report(name, error)


def _run_in_thread(name):
    """The same in a thread of its own, whose end is waited for."""
    import threading

    thread = threading.Thread(target=_run, args=(name,), name="limpet-hooks")
    thread.start()
    thread.join()


def _report(name, error):
    """Write an exception to the log, in one piece."""
    import traceback

    from limpet import loader

    loader.strip_own_frames(error)
    text = "".join(traceback.format_exception(error))
    if sys.stderr is not None:
        sys.stderr.write(f"limpet: a hook of {name} failed:\n{text}")
        sys.stderr.flush()
