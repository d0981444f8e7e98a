"""The ASGI application: which address is what."""

from . import assets, conversation, model
from .web import Response, document, headers_of


class Site:
    """The application. rooms: the Rooms that people meet in."""

    def __init__(self, rooms):
        self.rooms = rooms

    async def __call__(self, scope, receive, send):
        """Answer a request, hold a WebSocket, or follow the server's life (ASGI 3.0)."""
        kinds = {"http": self._http, "websocket": self._websocket, "lifespan": self._lifespan}
        await kinds[scope["type"]](scope, receive, send)

    async def _http(self, scope, receive, send):
        response = self._answer(scope)
        await response.send(send, with_body=scope["method"] != "HEAD")

    def _answer(self, scope):
        if scope["method"] not in ("GET", "HEAD"):
            allow = [("allow", "GET, HEAD")]
            return Response(b"That is not possible here.\n", status=405, headers=allow)
        path, held = scope["path"], headers_of(scope).get(b"if-none-match", b"").decode("latin-1")
        found = None
        if path == "/" or (path.startswith("/room/") and _room(path.removeprefix("/room/"))):
            found = assets.PAGE.answer(held)
        elif path == "/rooms":
            found = document({"rooms": self.rooms.listing()})
        elif path.startswith("/static/"):
            query = scope["query_string"].decode("latin-1")
            found = assets.static(path.removeprefix("/static/"), query, held)
        return found or Response(b"There is nothing at this address.\n", status=404)

    async def _websocket(self, scope, receive, send):
        await receive()  # websocket.connect
        room = _room(scope["path"].removeprefix("/talk/"))
        here = conversation.from_here(headers_of(scope))
        if not scope["path"].startswith("/talk/") or not room or not here:
            await send({"type": "websocket.close", "code": model.POLICY})  # 403 to the client
            return
        await conversation.Conversation(self.rooms, room, receive, send).run()

    async def _lifespan(self, scope, receive, send):
        """Nothing is to be opened or closed: everything is in memory."""
        for event in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{event}.complete"})


def _room(text):
    """Return the name of the room in an address, None where it is none."""
    try:
        return model.room_of(text)
    except model.Invalid:
        return None
