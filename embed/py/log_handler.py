"""limpet.LogHandler: logging's records as records of the server's log."""

import logging

import _limpet


class LogHandler(logging.Handler):
    """A handler of the logging module that writes to the server's log: level, the logger's name, the message as its
    formatter makes it (with the exception's text), and the id of the request that is worked on.

    For logging.config.dictConfig: {"class": "limpet.LogHandler"}. Outside of a server, as under "limpet python", it
    writes to the log on standard error.
    """

    def emit(self, record):
        """Never waits."""
        try:
            text = self.format(record).encode("utf-8", "backslashreplace")
            _limpet.log_application(self._level_of(record.levelno), record.name, text, _limpet.request_id())
        except RecursionError:
            raise
        except Exception:
            self.handleError(record)

    @staticmethod
    def _level_of(number):
        """0 error, 1 warning, 2 info, 3 debug."""
        return sum(number < limit for limit in (logging.ERROR, logging.WARNING, logging.INFO))
