"""What every exercise needs: settings, tasks, and one line of JSON for each of them.

    python with_requests.py '{"url": "https://localhost:8443", ...}'
"""

import hashlib
import json
import os
import socket
import ssl
import sys
import time
import traceback
import urllib.parse

SETTINGS = json.loads(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("TLS_CLIENTS", "{}"))
URL = SETTINGS.get("url")
AT_ONCE = 50
UPLOAD = b"0123456789abcdef" * 65_536  # 1 MiB
UPLOAD_DIGEST = hashlib.sha256(UPLOAD).hexdigest()
TIMEOUT_S = 60

tasks = []


def task(function):
    """Makes a function (of no arguments, its result goes into JSON) one of the tasks."""
    tasks.append(function)
    return function


def file(name):
    """The path of one of the certificates."""
    return f"{SETTINGS['folder']}/{name}.pem"


def context(**options):
    """What a client goes by that trusts the authority of these tests. Newer Pythons are stricter by default."""
    made = ssl.create_default_context(cafile=file("root"), **options)
    made.verify_flags = ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST
    return made


def with_client():
    made = context()
    made.load_cert_chain(file("client"), file("client-key"))
    return made


def seen(text):
    """What nginx says of a connection, as a dictionary."""
    version, cipher, *rest = text.split(" ")
    return {"version": version, "cipher": cipher, **dict(each.split("=", 1) for each in rest)}


def connections(texts):
    """Of answers: how many connections they came over."""
    return len({seen(text)["connection"].split("/")[0] for text in texts})


def digest(pieces):
    made = hashlib.sha256()
    for piece in pieces:
        made.update(piece)
    return made.hexdigest()


def failure(function, *arguments, **options):
    """How it fails: the class of its error, and the code of the certificate's error that lies somewhere below."""
    try:
        function(*arguments, **options)
    except Exception as error:
        return told(error)
    return {"class": None}


async def failure_of(awaitable):
    try:
        await awaitable
    except Exception as error:
        return told(error)
    return {"class": None}


def told(error):
    return {"class": f"{type(error).__module__}.{type(error).__name__}", "code": code_below(error, set())}


def code_below(error, known):
    if id(error) in known or not isinstance(error, BaseException):
        return None
    known.add(id(error))
    if getattr(error, "verify_code", None):
        return error.verify_code
    return first_below(error, known)


def first_below(error, known):
    below = (error.__cause__, error.__context__, getattr(error, "reason", None), getattr(error, "os_error", None),
             *error.args, *getattr(error, "exceptions", ()))
    return next((code for each in below if (code := code_below(each, known)) is not None), None)


def connect_by_default():
    """With nothing but what is trusted by default."""
    address = urllib.parse.urlsplit(URL)
    made = ssl.create_default_context()
    made.verify_flags = ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST
    with socket.create_connection((address.hostname, address.port), TIMEOUT_S) as plain:
        made.wrap_socket(plain, server_hostname=address.hostname).close()


def main():
    for each in tasks:
        start = time.monotonic()
        try:
            answer = {"result": each()}
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps({"task": each.__name__, "seconds": time.monotonic() - start, **answer}), flush=True)
