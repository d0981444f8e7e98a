"""limpet, for applications that want to know of it: none needs to.

    request_id()  the id of the request that is worked on, None outside of one
    LogHandler    a handler of the logging module, which writes to the server's log
    hooks         functions that are called at certain times of a server's life
    rsgi          the types of RSGI

The rest of the package is the server's own.
"""

from _limpet import request_id

__all__ = ["LogHandler", "request_id"]


def __getattr__(name):
    # Only who asks for it has logging imported.
    if name == "LogHandler":
        from limpet.log_handler import LogHandler

        return LogHandler
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
