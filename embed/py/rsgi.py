"""RSGI 1.6 for applications: the types of what they are called with, for annotations and except clauses.

    async def app(scope, protocol):
        protocol.response_str(200, [("content-type", "text/plain")], "Hello")

Where the granian package is not there, granian.rsgi is the same: applications that import it run as they are.
"""

from enum import Enum

from _limpet_rsgi import (Headers, HTTPProtocol, HTTPStreamTransport, ProtocolClosed, ProtocolError, Scope,
                          WebsocketMessage, WebsocketProtocol, WebsocketTransport)

__all__ = ["Headers", "HTTPProtocol", "HTTPStreamTransport", "ProtocolClosed", "ProtocolError", "Scope",
           "WebsocketMessage", "WebsocketMessageType", "WebsocketProtocol", "WebsocketTransport"]


class WebsocketMessageType(int, Enum):
    """WebsocketMessage.kind."""

    close = 0
    bytes = 1
    string = 2
