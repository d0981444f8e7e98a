"""Notes: the WSGI callable `app`, ready to be served or packed."""

from notes.place import database_path
from notes.site import Site
from notes.store import Store

app = Site(Store(database_path(__file__)))
