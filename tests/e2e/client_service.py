"""One application in WSGI, ASGI and RSGI that tells what it knows of its client, and the servers of its tests."""

import json

from raw_client import Peer, request

SOURCE = '''
import json

def say(**facts):
    return json.dumps(facts).encode()

def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    port = environ.get("REMOTE_PORT")
    return [say(client=environ["REMOTE_ADDR"], port=int(port) if port else None, scheme=environ["wsgi.url_scheme"],
                https=environ.get("HTTPS"), host=environ.get("HTTP_HOST"), said=environ.get("HTTP_X_FORWARDED_FOR"))]

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    client, port = scope["client"] or ("", None)
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    body = say(client=client, port=port, scheme=scope["scheme"], host=headers.get("host"),
               said=headers.get("x-forwarded-for"))
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": body.decode()})
        await send({"type": "websocket.close"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})

class RSGI:
    async def __rsgi__(self, scope, protocol):
        client, _, port = scope.client.rpartition(":") if scope.client.count(":") in (1, *range(3, 9)) else (
            scope.client, "", "")
        if not port.isdigit() or (":" in client and not client.startswith("[")):
            client, port = scope.client, ""
        protocol.response_bytes(200, [("content-type", "application/json")], say(
            client=client.strip("[]"), port=int(port) if port else None, scheme=scope.scheme,
            host=scope.headers.get("host"), said=scope.headers.get("x-forwarded-for")))

rsgi = RSGI()
'''
INTERFACES = ["wsgi", "asgi", "rsgi"]


def start(serve, application, interface, *options, **server_options):
    """A server with one worker."""
    folder = application(SOURCE)
    return serve(f"app:{interface}", "--interface", interface, "--workers", 1, *options, "--working-dir", folder,
                 **server_options)


def ask(server, *fields, target="/"):
    """What the application knows of a client that sends these fields."""
    with Peer(server) as peer:
        return peer.ask(request("GET", target, None, *fields)).json()


def facts(answer):
    """Of an answer's bytes."""
    return json.loads(answer)
