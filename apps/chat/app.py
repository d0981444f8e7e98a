"""Chat: the ASGI application `app`, ready to be served or packed."""

from chat.rooms import Rooms
from chat.site import Site

app = Site(Rooms())
