"""An application that says how it was loaded, and by whom it is answered."""

import json
import os
import random
import threading

from limpet import hooks

# What is large, and made at import: every process would have its own.
LARGE = [str(number) * 8 for number in range(300_000)]
loaded_by = os.getpid()
events = []
lock = threading.Lock()

with open("loads", "a") as log:
    log.write(f"{loaded_by}\n")
if os.path.exists("broken"):
    raise RuntimeError("broken on purpose")


def background():
    threading.Event().wait()


threading.Thread(target=background, name="background", daemon=True).start()


@hooks.post_fork
def forked():
    events.append("post_fork")


@hooks.on_worker_start
def started():
    events.append("on_worker_start")


def app(environ, start_response):
    with lock:  # as it was at the fork: free
        answer = {
            "pid": os.getpid(),
            "parent": os.getppid(),
            "loaded by": loaded_by,
            "events": events,
            "random": random.random(),
            "user": os.getuid(),
            "threads": sorted(thread.name for thread in threading.enumerate()),
            "multiprocess": environ["wsgi.multiprocess"],
        }
    body = json.dumps(answer).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
