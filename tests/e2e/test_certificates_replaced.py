"""Certificates that are replaced while workers start: a new one begins with what there is by then."""

import signal

from certificates import Authority
from server import eventually

APPLICATION = '''
import os, pathlib, time

folder = pathlib.Path(__file__).parent
(folder / f"began-{os.getpid()}").touch()
while not (folder / "may-go-on").exists():
    time.sleep(0.01)

def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "0")])
    return []
'''
READ_AGAIN = "certificates and keys were read again"


def test_many_replacements_while_a_worker_starts(serve, application, tmp_path):
    leaf = Authority(tmp_path).issue("localhost")
    folder = application(APPLICATION)
    (folder / "may-go-on").touch()
    server = serve("app:app", "--working-dir", folder, "--workers", 1, "--tls-certificate", leaf.chain, "--tls-key",
                   leaf.key)
    (folder / "may-go-on").unlink()
    began = len(list(folder.glob("began-*")))
    server.process.send_signal(signal.SIGUSR1)
    eventually(lambda: len(list(folder.glob("began-*"))) > began)
    for count in range(1, 33):
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda count=count: server.log.count(READ_AGAIN) == count)
    (folder / "may-go-on").touch()
    server.wait_for("by new workers|cannot start")
    assert " error " not in server.log and " warning " not in server.log, server.log
