"""Where the database lies."""

import os
import sys

FILE_NAME = "notes.sqlite3"


def database_path(app_file, executable=None, environ=os.environ):
    """Return the database's path.

    app_file: `__file__` of app.py. executable: the running program, sys.executable by default.
    NOTES_DATABASE wins, and then the folder that a service is given (STATE_DIRECTORY). Otherwise the database lies beside the thing that is served, where packing
    the application does not pick it up: beside the binary when app.py is inside it (its path then
    continues the binary's own), else beside app.py's folder.
    """
    chosen = environ.get("NOTES_DATABASE")
    if chosen:
        return os.path.abspath(chosen)
    if environ.get("STATE_DIRECTORY"):
        return os.path.join(environ["STATE_DIRECTORY"], FILE_NAME)
    served = sys.executable if executable is None else executable
    if not (served and app_file.startswith(served + os.sep)):
        served = os.path.dirname(os.path.abspath(app_file))
    return os.path.join(os.path.dirname(served), FILE_NAME)
