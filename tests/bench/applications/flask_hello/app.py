"""The smallest Flask application."""

import flask

app = flask.Flask(__name__)


@app.route("/")
def hello():
    """13 bytes."""
    return "Hello, World!"
