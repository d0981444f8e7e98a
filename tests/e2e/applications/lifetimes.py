"""An application that does what a worker should not live with, and says which process it is."""

import ctypes
import mmap
import os
import re
import signal
import time

KEPT = []


class HangsAtClose:
    """A body whose end never comes."""

    def __iter__(self):
        return iter([b"all of it"])

    def close(self):
        time.sleep(1e9)


def turn_for_ever(_):
    while True:
        pass


def sleep_for_ever(_):
    time.sleep(1e9)


def keep_the_lock(_):
    """One call of C that takes years and never lets another thread run."""
    re.match("(a+)+b", "a" * 60)


def stop_oneself(_):
    os.kill(os.getpid(), signal.SIGSTOP)


def grow(megabytes):
    """Memory that goes back to the system the moment it is let go."""
    kept = mmap.mmap(-1, int(megabytes) << 20)
    for offset in range(0, len(kept), mmap.PAGESIZE):
        kept[offset] = 1
    KEPT.append(kept)


def shrink(_):
    while KEPT:
        KEPT.pop().close()


def wait_for_pipe(path):
    """What comes into a named pipe."""
    os.write(2, b"waiting\n")
    with open(path) as file:
        file.read()


def read_badly(_):
    ctypes.string_at(0)


def leave(_):
    os._exit(3)


ACTIONS = {"/turn": turn_for_ever, "/sleep": sleep_for_ever, "/keep": keep_the_lock, "/stop": stop_oneself,
           "/grow": grow, "/shrink": shrink, "/wait": wait_for_pipe, "/segv": read_badly, "/exit": leave}


def hang_after_piece():
    yield b"first piece"
    time.sleep(1e9)


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path in ACTIONS:
        ACTIONS[path](environ["QUERY_STRING"])
    elif path == "/piece":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return hang_after_piece()
    elif path == "/close":
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "9")])
        return HangsAtClose()
    body = str(os.getpid()).encode() + environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
