"""Servers whose log goes elsewhere than to standard error, and what is in such logs."""

import collections
import http.client
import pathlib
import re
import threading
import urllib.parse

from server import SERVING, eventually

REQUEST = re.compile(r"GET (/\S*)")


def text_of(path):
    try:
        return pathlib.Path(path).read_text(errors="replace")
    except FileNotFoundError:
        return ""


def serving_by(server, text):
    """Wait for the line that says where a server serves, in what text() gives; then it can be asked."""
    eventually(lambda: SERVING.search(text()) or server.process.poll() is not None)
    match = SERVING.search(text())
    assert match, f"it did not start:\n{server.log}\n{text()}"
    server.addresses = match["addresses"].split(", ")
    server.url = server.addresses[0]
    return server


def requests_in(*texts):
    """How often each path was logged as asked for."""
    return collections.Counter(path for text in texts for path in REQUEST.findall(text))


class Visitors:
    """Several connections that ask for a path of its own each time, in a with block. answered: the paths, all of which
    have got their answer at the end of the block."""

    def __init__(self, server, count=3, path="/{number}-{thread}", each=None):
        """each: requests of a connection, which the end of the block waits for; else as long as the block takes."""
        self.answered, self.failures = [], []
        self._path, self._each = path, each
        self._address = urllib.parse.urlsplit(server.url).netloc
        self._ending = False
        self._threads = [threading.Thread(target=self._visit, args=[i], daemon=True) for i in range(count)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind, *_):
        self._ending = self._each is None
        for thread in self._threads:
            thread.join(120)
        if kind is None:
            assert not self.failures and not any(thread.is_alive() for thread in self._threads), self.failures

    def more(self, count=50):
        """Wait for so many answers more."""
        goal = len(self.answered) + count
        eventually(lambda: len(self.answered) >= goal or self.failures)
        assert not self.failures

    def _visit(self, thread):
        connection = http.client.HTTPConnection(self._address, timeout=60)
        number = 0
        while not self._ending and number != self._each:
            path = self._path.format(number=number, thread=thread)
            number += 1
            try:
                connection.request("GET", path)
                response = connection.getresponse()
                response.read()
                if response.status != 200:
                    self.failures.append(response.status)
                self.answered.append(path)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                return
        connection.close()
