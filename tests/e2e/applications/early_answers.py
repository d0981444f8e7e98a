"""Answers every request without a look at its body, in each interface."""

from asgi_common import answer, routed

TEXT = [("Content-Type", "text/plain")]


async def refuse(scope, receive, send):
    await answer(send, b"not for you", status=401)


asgi = routed({"/refuse": refuse})


async def rsgi(scope, protocol):
    protocol.response_str(401, TEXT, "not for you")


def wsgi(environ, start_response):
    start_response("401 Unauthorized", TEXT)
    return [b"not for you"]
