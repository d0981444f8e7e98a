"""limpet serve on sockets that somebody else has opened: systemd's socket activation."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import urllib.request

import pytest
from server import eventually

ACTIVATE = pathlib.Path(__file__).with_name("activate.py")

APPLICATION = '''
import json, os

def app(environ, start_response):
    own = {name: environ[name] for name in ("SERVER_NAME", "SERVER_PORT")}
    body = json.dumps({**own, "environment": dict(os.environ)}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
'''


def launcher(*sockets):
    return [sys.executable, ACTIVATE, *sockets, "--"]


@pytest.fixture
def activate(application, serve):
    """activate(*sockets, options=()) -> Server that was started with these sockets, written NAME=ADDRESS."""

    def start(*sockets, options=(), **more):
        arguments = ["app:app", "--workers", 1, "--working-dir", application(APPLICATION), *options]
        return serve(*arguments, port=None, prefix=launcher(*sockets), **more)

    return start


@pytest.fixture
def refused(application, limpet):
    """refused(*sockets, options=()) -> what limpet says when it does not start on these sockets."""

    def start(*sockets, options=()):
        command = [*launcher(*sockets), limpet, "serve", "app:app", "--working-dir", application(APPLICATION), *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and done.stdout == ""
        return done.stderr

    return start


def ask(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def ask_unix(path):
    return json.loads(subprocess.run(["curl", "-sS", "--max-time", "30", "--unix-socket", path, "http://x/"], check=True,
                                     capture_output=True, timeout=60).stdout)


def test_all_of_them_without_a_word(activate, tmp_path):
    path = tmp_path / "shop.sock"
    server = activate("web=127.0.0.1:0", f"local=unix:{path}")
    assert server.url.startswith("http://127.0.0.1:") and server.addresses[1:] == [f"unix:{path}"]
    assert ask(server.url)["SERVER_PORT"] == str(server.port)
    assert ask_unix(path)["SERVER_NAME"] == str(path)
    assert "warning" not in server.log
    server.stop()
    assert path.is_socket()  # systemd's


def test_without_names(activate):
    server = activate("--no-names", "=127.0.0.1:0", options=["--listen", "systemd:unknown"])
    assert ask(server.url)["SERVER_NAME"] == "127.0.0.1"


def test_by_name(activate):
    server = activate("web=127.0.0.1:0", "admin=127.0.0.2:0", options=["--listen", "systemd:admin"])
    assert len(server.addresses) == 1 and ask(server.url)["SERVER_NAME"] == "127.0.0.2"
    closed = server.wait_for(r"closing http://(127\.0\.0\.1):(\d+) \(\"web\"\) of systemd, which no --listen asks for")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(closed.groups())


def test_by_address(activate, tmp_path):
    path = tmp_path / "shop.sock"
    server = activate("web=127.0.0.1:0", f"local=unix:{path}",
                      options=["--listen", "127.0.0.1:{0}", "--listen", f"unix:{path}", "--listen", "127.0.0.1:0"])
    first, second, third = server.addresses
    assert second == f"unix:{path}" and third != first
    assert ask(first)["SERVER_PORT"] == first.rpartition(":")[2] and ask(third) and ask_unix(path)
    assert "warning" not in server.log
    server.stop()
    assert path.is_socket()


def test_a_name_that_is_not_there(refused):
    said = refused("web=127.0.0.1:0", "admin=127.0.0.1:0", options=["--listen", "systemd:shop"])
    assert ("cannot listen on systemd:shop: systemd has given no socket of that name, but \"web\", \"admin\"; set "
            "FileDescriptorName= in the .socket unit, or choose another with --listen\n") in said


def test_nothing_was_given(run, application):
    done = run("serve", "app:app", "--working-dir", application(APPLICATION), "--listen", "systemd")
    assert done.returncode == 1
    assert "cannot listen on systemd: systemd has given no socket; start its .socket unit" in done.stderr


def test_more_than_there_are(run, application):
    environment = {**os.environ, "LISTEN_FDS": "x", "LISTEN_PID": "x"}
    done = run("serve", "app:app", "--working-dir", application(APPLICATION), env=environment)
    assert done.returncode == 1 and "LISTEN_PID=x is no number" in done.stderr


@pytest.mark.parametrize("words", [[], ["--pid", "1"]], ids=["ours", "another's"])
def test_applications_see_nothing_of_it(activate, words):
    ours = ("LISTEN_", "LIMPET_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}  # whoever runs the tests may set some
    environment = {**clean, "LISTEN_PORT": "kept", "LIMPET_UPGRADE_FD": "x"}
    server = activate(*words, "web=127.0.0.1:0", options=["--port", "0"], environment=environment)
    seen = {name: value for name, value in ask(server.url)["environment"].items() if name.startswith(ours)}
    assert seen == {"LISTEN_PORT": "kept"}
    assert server.log.count("LIMPET_UPGRADE_FD") == 1  # it is garbage, and no option


def test_workers_share_a_blocking_socket(activate):
    server = activate("web=127.0.0.1:0", options=["--workers", 4])
    assert "with 4 workers" in server.log
    for _ in range(40):
        assert ask(server.url)  # whoever wakes up for nothing must not wait in accept


def test_systemds_own_launcher(application, serve, tmp_path):
    tool = shutil.which("systemd-socket-activate")
    assert tool, "systemd-socket-activate is of the package systemd"
    path = tmp_path / "shop.sock"
    server = serve("app:app", "--workers", 1, "--working-dir", application(APPLICATION), "--listen", "systemd:shop",
                   prefix=[tool, f"--listen={path}", "--fdname=shop"], port=None, expect_start=False)
    eventually(path.is_socket)
    assert ask_unix(path)["SERVER_NAME"] == str(path)  # the first one starts it, and has waited
    server.wait_for(rf"serving app:app \(wsgi\) on unix:{path} with")
    server.stop()
    assert path.is_socket()
