"""wsgi.input of a request whose client waits to be asked for the body (Expect: 100-continue)."""


import threading


class AwaitedInput:
    """The input stream of PEP 3333; the first read asks for the body, and waits until all of it is there.

    fetch: returns the file object of the received body. Whatever it raises (ConnectionResetError where the client
    has gone, OSError where there is no room for the body and once the answer has begun) is raised by that read."""

    def __init__(self, fetch):
        self._fetch = fetch
        self._file = None
        self._lock = threading.Lock()  # an application may read in several threads

    def _body(self):
        with self._lock:
            if self._file is None:
                self._file = self._fetch()
            return self._file

    def end(self):
        """For the server: the request ends; whoever waits for its body has it first. Returns fetch."""
        with self._lock:
            return self._fetch

    def read(self, size=-1, /):
        return self._body().read(size)

    def readline(self, size=-1, /):
        return self._body().readline(size)

    def readlines(self, hint=-1, /):
        return self._body().readlines(hint)

    def __iter__(self):
        return iter(self._body())

    def __next__(self):
        return next(self._body())

    def close(self):
        """Nothing: a body that was not read is not asked for."""
