"""Files that are none, may not be read, change while they are sent; links that are swapped; clients that leave. What is
outside the folder is never sent, and no worker ends."""

import contextlib
import itertools
import os
import pathlib
import resource
import shutil
import socket
import ssl
import struct
import tempfile
import threading
import time

import pytest
from raw_client import request
from server import eventually, is_sanitized
from static_house import PAGE, SECRET, TRANSPORTS, House, make_application, write
from static_site import start_site

pytestmark = pytest.mark.unvalidated(reason="hardly an application answers")

LARGE = 24 << 20  # bytes; more than sockets take for a client that does not read
ENDS = (EOFError, ConnectionError, ssl.SSLError)  # of a connection that is cut; TLS is not told


# --- links and what is no file ---

@pytest.fixture
def live(serve, limpet, pki_of_session):
    """live(*options) -> (House, folder of the files) that may change, and that others than us can read."""
    with contextlib.ExitStack() as stack:
        def start(*options):
            base = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
            base.chmod(0o755)
            make_application(base)
            server = start_site(serve, pki_of_session, limpet, ["app:app"], "--static", f"/static={base / 'static'}",
                                *options,
                                "--working-dir", base, environment=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})
            return House(server, pki_of_session), base / "static"

        yield start


def test_links(live):
    house, folder = live()
    secret = folder.parent / "secret.txt"
    leads_inside = {"same": "page.txt", "down": "a/b/c/page.txt", "absolute": folder / "page.txt", "chain": "absolute",
                    "up-and-down": "css/../page.txt", "absolute-dots": f"{folder}/css/../page.txt"}
    leads_out = {"parent": "../secret.txt", "absolute-out": secret, "chain-out": "parent",
                 "around": "../static/../secret.txt",
                 "deep": "a/b/c/../../../../secret.txt", "prefix": folder.parent / "staticX/secret.txt",
                 "loop": "loop", "loop-a": "loop-b", "loop-b": "loop-a", "dangling": "nothing",
                 "proc": "/proc/self/environ",
                 "proc-root": f"/proc/self/root{secret}", "fd": "/dev/fd/0", "empty-end": "page.txt/"}
    for name, target in (leads_inside | leads_out).items():
        (folder / name).symlink_to(target)
    (folder / "folder-out").symlink_to("..")
    (folder / "folder-root").symlink_to("/")
    (folder / "folder-absolute").symlink_to(folder)
    (folder / "css/index.html").symlink_to("../../secret.txt")
    os.link(secret, folder / "hard")  # which is a file of the folder as every other one
    for name in leads_inside:
        assert house.ask(f"/static/{name}").body == PAGE, name
    for name in [*leads_out, "folder-out/secret.txt", f"folder-root{secret}", "folder-out/static/page.txt", "css/",
                 "folder-root/etc/passwd", "folder-absolute/parent", "folder-absolute/folder-out/secret.txt"]:
        answer = house.ask(f"/static/{name}")
        assert (answer.status, SECRET in answer.body) == (404, False), name
    assert house.ask("/static/folder-absolute/page.txt").body == PAGE
    assert house.ask("/static/folder-absolute/folder-absolute/page.txt").body == PAGE
    assert house.ask("/static/css").status == 404
    assert house.ask("/static/hard").body == SECRET
    house.check_unharmed()


def swap_forever(swap, ended, count):
    """Swap until it is said to end."""
    while not ended.is_set():
        swap()
        count.append(None)


def race(house, swap, targets, wanted=2000):
    """Ask while somebody swaps; the answers' statuses by body."""
    ended, swaps, seen = threading.Event(), [], {}
    swapper = threading.Thread(target=swap_forever, args=(swap, ended, swaps))
    swapper.start()
    asked, until = 0, time.monotonic() + 60
    try:
        with house.connect() as peer:
            # Both have had their turns, and often enough.
            while asked < wanted or ((len(swaps) < wanted or len(seen) < 2) and time.monotonic() < until):
                for target in targets:
                    answer = peer.ask(request("GET", target))
                    seen.setdefault((answer.status, answer.body), target)
                    asked += 1
    finally:
        ended.set()
        swapper.join()
    return seen


def swap_names(one, other):
    """Two names change their things; each is missing for a moment."""
    between = one.with_name("between-them")

    def swap():
        one.rename(between)
        other.rename(one)
        between.rename(other)

    return swap


def test_folder_swapped_with_a_link(live):
    """A folder of files, and a link to one outside with the same names: by turns, while files of it are asked for,
    also by a way that the server has to go step by step."""
    house, folder = live()
    outside = folder.parent / "outside"
    write(outside / "file.txt", SECRET)
    write(folder / "swapped/file.txt", PAGE)
    (folder / "link").symlink_to(outside)
    (folder / "absolute").symlink_to(folder / "swapped")
    seen = race(house, swap_names(folder / "swapped", folder / "link"),
                ["/static/swapped/file.txt", "/static/link/file.txt", "/static/absolute/file.txt"])
    assert not any(SECRET in body for _, body in seen)
    assert {status for status, _ in seen} == {200, 404}
    assert {body for status, body in seen if status == 200} == {PAGE}
    house.check_unharmed()


def test_file_swapped_with_a_link(live):
    house, folder = live()
    (folder / "link.txt").symlink_to(folder.parent / "secret.txt")
    write(folder / "swapped.txt", PAGE)
    (folder / "absolute.txt").symlink_to(folder / "swapped.txt")
    seen = race(house, swap_names(folder / "swapped.txt", folder / "link.txt"),
                ["/static/swapped.txt", "/static/link.txt", "/static/absolute.txt"])
    assert not any(SECRET in body for _, body in seen)
    assert {status for status, _ in seen} == {200, 404}
    house.check_unharmed()


def test_what_is_no_file(live):
    house, folder = live()
    os.mkfifo(folder / "fifo")
    os.mkfifo(folder / "css/index.html")
    (folder / "null").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        names = ["fifo", "socket", "null", "css/", "css"]
        if os.geteuid() == 0:
            os.mknod(folder / "zero", 0o020666, os.makedev(1, 5))
            os.mknod(folder / "console", 0o020666, os.makedev(5, 1))
            os.mknod(folder / "disk", 0o060666, os.makedev(7, 200))
            names += ["zero", "console", "disk"]
        for name in names:
            for transport in TRANSPORTS:
                assert house.ask(f"/static/{name}", transport=transport).status == 404, name
                assert house.ask(f"/static/{name}", method="HEAD", transport=transport).status == 404, name
        # Beside a file that is there, a sibling that is none.
        write(folder / "some.css", b"body {}")
        os.mkfifo(folder / "some.css.gz")
        answer = house.ask("/static/some.css", "Accept-Encoding: gzip")
        assert (answer.status, answer.body) == (200, b"body {}")
    house.check_unharmed()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: to be somebody else")
def test_unreadable(live):
    """To workers of another user, who has no right to some of it."""
    house, folder = live("--user", "nobody")
    write(folder / "unreadable.txt", SECRET)
    (folder / "unreadable.txt").chmod(0o600)
    write(folder / "closed/page.txt", SECRET)
    (folder / "closed").chmod(0o700)
    write(folder / "unlisted/page.txt", PAGE)
    (folder / "unlisted").chmod(0o711)
    write(folder / "unreadable-index/index.html", SECRET)
    (folder / "unreadable-index/index.html").chmod(0o600)
    write(folder / "style.css", PAGE)
    write(folder / "style.css.gz", SECRET)
    (folder / "style.css.gz").chmod(0o600)
    for name in ["unreadable.txt", "closed/page.txt", "unreadable-index/"]:
        answer = house.ask(f"/static/{name}")
        assert (answer.status, SECRET in answer.body) == (403, False), name
    house.server.wait_for(r"files: /static/unreadable\.txt: may not be read \(grant the right to the workers' user\)")
    for name in ["closed", "closed/", "unreadable-index"]:
        answer = house.ask(f"/static/{name}")
        assert answer.status in (403, 404) and SECRET not in answer.body, name
    assert house.ask("/static/unlisted/page.txt").body == PAGE
    answer = house.ask("/static/style.css", "Accept-Encoding: gzip")
    assert (answer.status, answer.body, answer.get("Content-Encoding")) == (200, PAGE, None)
    (folder / "unreadable.txt").chmod(0o644)
    assert house.ask("/static/unreadable.txt").body == SECRET
    house.check_unharmed()


def test_no_descriptors_left(live):
    """Somebody has used up what the worker may open: 503, which the log tells, and later all is well."""
    house, folder = live("--backpressure", 200)
    worker, = house.before
    limit = house.server.descriptors(worker)
    with house.connect() as peer:
        assert peer.ask(request("GET", "/static/page.txt")).body == PAGE
        before = resource.prlimit(worker, resource.RLIMIT_NOFILE)
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (limit, before[1]))
        assert peer.ask(request("GET", "/static/page.txt")).status == 503
        house.server.wait_for("files: /static/page.txt: cannot be opened: too many files are open")
        resource.prlimit(worker, resource.RLIMIT_NOFILE, before)
        assert peer.ask(request("GET", "/static/page.txt")).body == PAGE
    house.check_unharmed()


# --- files that change while they are sent ---

def pattern_of(count, letter):
    return bytes([letter]) * count


@contextlib.contextmanager
def half_read(house, transport, *fields):
    """A client that has had the head and a little of large.bin, and reads no more for now."""
    with house.connect(transport, receive_buffer=16384) as peer:
        peer.send(request("GET", "/static/large.bin", None, *fields))
        head = peer.head()
        yield peer, head


def take_what_comes(peer, count):
    """Bytes until there are so many, or the connection ends."""
    out = bytearray()
    try:
        while len(out) < count:
            out += peer.take(min(1 << 16, count - len(out)))
    except ENDS:
        return bytes(out), True
    return bytes(out), False


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_file_shrinks(live, transport):
    """The connection is cut, so that nobody takes a part for the whole."""
    house, folder = live()
    path = folder / "large.bin"
    path.write_bytes(pattern_of(LARGE, 65))
    with half_read(house, transport) as (peer, head):
        assert head.get("Content-Length") == str(LARGE)
        os.truncate(path, 1 << 20)
        body, is_cut = take_what_comes(peer, LARGE)
        assert is_cut and len(body) < LARGE
        assert body.strip(b"A").strip(b"\0") == b""  # of what it still had, the kernel has taken the end
    house.server.wait_for(r"GET /static/large.bin: the file became shorter while it was sent, connection closed")
    assert len(house.ask("/static/large.bin", transport=transport).body) == 1 << 20
    house.check_unharmed()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_file_shrinks_to_nothing(live, transport):
    house, folder = live()
    path = folder / "large.bin"
    path.write_bytes(pattern_of(LARGE, 65))
    with half_read(house, transport) as (peer, _):
        os.truncate(path, 0)
        _, is_cut = take_what_comes(peer, LARGE)
        assert is_cut
    house.server.wait_for("the file became shorter")
    assert house.ask("/static/large.bin").body == b""
    house.check_unharmed()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_file_shrinks_in_the_middle_of_ranges(live, transport):
    house, folder = live()
    path = folder / "large.bin"
    path.write_bytes(pattern_of(LARGE, 65))
    with half_read(house, transport, f"Range: bytes=0-{LARGE // 2},{LARGE // 2 + 10}-") as (peer, head):
        assert head.status == 206 and head.get("Content-Type").startswith("multipart/byteranges")
        os.truncate(path, 1 << 20)
        body, is_cut = take_what_comes(peer, int(head.get("Content-Length")))
        assert is_cut and b"--\r\n" not in body[-10:]
    house.server.wait_for("files: a file ended while it was sent, connection closed")
    house.check_unharmed()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_file_grows(live, transport):
    """What was promised is sent, and the connection goes on."""
    house, folder = live()
    path = folder / "large.bin"
    path.write_bytes(pattern_of(LARGE, 65))
    with half_read(house, transport) as (peer, _):
        with path.open("ab") as file:
            file.write(pattern_of(LARGE, 66))
        assert peer.take(LARGE) == pattern_of(LARGE, 65)
        answer = peer.ask(request("HEAD", "/static/large.bin"))
        assert answer.get("Content-Length") == str(2 * LARGE)
    house.check_unharmed()


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("how", ["vanishes", "is-replaced", "folder-vanishes"])
def test_file_that_is_no_more(live, transport, how):
    """Who has begun gets the file as it was; who comes later what there is then."""
    house, folder = live()
    path = folder / "large.bin"
    path.write_bytes(pattern_of(LARGE, 65))
    with half_read(house, transport) as (peer, _):
        if how == "vanishes":
            path.unlink()
        elif how == "is-replaced":
            write(folder / "next", b"another one")
            (folder / "next").rename(path)
        else:
            folder.rename(folder.with_name("gone"))
            shutil.rmtree(folder.with_name("gone"))
        assert peer.take(LARGE) == pattern_of(LARGE, 65)
        answer = peer.ask(request("GET", "/static/large.bin"))
        assert (answer.status, answer.body) == ((200, b"another one") if how == "is-replaced" else (404,
                                                                                                    b"404 Not Found\n"))
    assert house.server.workers() == house.before


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_files_are_rewritten_all_the_time(live, transport):
    """Truncated and written again while they are asked for: whole answers have the length that they tell, and others
    are cut at once: no client waits for a time-out, which is a failure of the socket here."""
    house, folder = live()
    path = folder / "changing.css"
    sizes = itertools.cycle([200_000, 10, 0, 70_000, 1_000_000])
    ended, writes = threading.Event(), []

    def rewrite():
        path.write_bytes(pattern_of(next(sizes), 65))

    rewrite()
    writer = threading.Thread(target=swap_forever, args=(rewrite, ended, writes))
    writer.start()
    seen = {"whole": 0, "cut": 0}
    try:
        while seen["whole"] < 200 or len(writes) < 200:
            with house.connect(transport) as peer:
                peer.socket.settimeout(20)  # seconds, a third of the server's
                peer.send(request("GET", "/static/changing.css"))
                try:
                    head = peer.head()
                except ENDS:  # over TLS it comes with the first bytes of the file
                    seen["cut"] += 1
                    continue
                body, is_cut = take_what_comes(peer, int(head.get("Content-Length")))
                seen["cut" if is_cut else "whole"] += 1
                assert head.status == 200 and body.count(b"A") == len(body) - body.count(b"\0")
    finally:
        ended.set()
        writer.join()
    house.check_unharmed()


# --- clients that leave ---

def leave_rudely(peer):
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.socket.close()


@pytest.mark.parametrize("transport,count", [("plain", 3000), ("tls", 300)])
def test_clients_leave(live, transport, count):
    """They ask for a large file, and go: at once, after a little of it, with a reset. Nothing is left of them."""
    house, folder = live("--backpressure", 500)
    (folder / "large.bin").write_bytes(pattern_of(LARGE, 65))
    worker, = house.before
    house.ask("/static/large.bin", "Range: bytes=0-9", transport=transport)
    before = house.server.descriptors(worker)
    count = count // 10 if is_sanitized() else count
    for number in range(count):
        peer = house.connect(transport, receive_buffer=8192)
        ranges = ["Range: bytes=0-5000000,6000000-"] if number % 3 == 0 else []
        peer.send(request("GET", "/static/large.bin", None, *ranges))
        if number % 2:
            peer.until(b"\r\n\r\n")
        if number % 5 == 0:
            leave_rudely(peer)
        else:
            peer.socket.close()
    eventually(lambda: house.server.descriptors(worker) <= before)
    house.check_unharmed()
