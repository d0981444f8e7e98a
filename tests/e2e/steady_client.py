"""A client that asks all the time over one kept connection: what a stream of visitors sees while processes come and go."""

import http.client
import threading
import urllib.parse


class SteadyClient:
    """Asks for one path from the start of the with block to its end. bodies: of the answers, in order; failures: what
    went wrong, of which there may be nothing at the end of the block. A server may close the connection, but has to say
    so in the answer before."""

    def __init__(self, server, path="/"):
        self.bodies, self.failures = [], []
        self._path = path
        self._address = urllib.parse.urlsplit(server.url).netloc
        self._ending = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, *_):
        self._ending = True
        self._thread.join(60)
        if kind is None:
            assert not self._thread.is_alive() and self.failures == [] and self.bodies, self.failures

    def _ask(self):
        # Comes back by itself where the answer before said that the connection ends.
        connection = http.client.HTTPConnection(self._address, timeout=60)
        while not self._ending and not self.failures:
            try:
                connection.request("GET", self._path)
                response = connection.getresponse()
                body = response.read()
                failure = None if response.status == 200 else f"{response.status} {body!r}"
            except (OSError, http.client.HTTPException) as error:
                body, failure = b"", repr(error)
            with self._changed:
                if failure is None:
                    self.bodies.append(body)
                else:
                    self.failures.append(f"request {len(self.bodies) + 1}: {failure}")
                self._changed.notify_all()
        connection.close()

    def wait_for(self, condition, timeout=60):
        """Wait until condition(bodies) holds, or something has failed."""
        with self._changed:
            held = self._changed.wait_for(lambda: self.failures or condition(self.bodies), timeout)
        assert held and not self.failures, self.failures or "the answers did not come"
