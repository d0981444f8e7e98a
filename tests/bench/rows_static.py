"""Rows about what is answered without the application: files from disk and from the archive, beside nginx; and about
compressing what it answers."""

import load
import servers
import table
from rows_load import BUSY_CONNECTIONS, HELLO_BYTES, interleaved

FILE_AIM, NOT_MODIFIED_AIM = table.at_least(85, "{}%"), table.at_least(90, "{}%")
NOISE, TEXT = "/static/noise.bin", "/static/text.txt"
GZIP = {"Accept-Encoding": "gzip"}
COLUMNS = ["answer", "requests/s", "of nginx", "aim", "CPU us a request", "p99 ms"]


def serve(session, where):
    """A server of the files: nginx, or limpet with the folder on "disk" or in the "archive"."""
    options = {"disk": ["--static", f"/static={session.site() / 'static'}"], "archive": ["--static", "/static=static"]}
    kind = "nginx" if where == "nginx" else "limpet"
    return servers.Server(session, kind, servers.SITE, options=options.get(where, ()))


def against_nginx(session, card, title, contestants, measure):
    """A table. contestants: {label: (what measure takes..., aim)}, nginx's is the first."""
    results = interleaved(session, [what[:-1] for what in contestants.values()], measure)
    limit = next(iter(results.values()))
    rows = []
    for label, (*what, aim) in contestants.items():
        rounds = results[tuple(what)]
        share = table.ratio(rounds, limit) * 100
        rows.append([label, f"{table.median(rounds, 'rate'):,.0f}", f"{share:.1f}%",
                     card.judge(f"{title}: {label}", aim, share) if aim else "",
                     f"{table.median(rounds, 'cpu'):.1f}", f"{table.median(rounds, 'p99'):.2f}"])
    card.table(f"{title}, {BUSY_CONNECTIONS} connections, 1 worker on CPU 0", COLUMNS, rows)


def get(session):
    """measure(where, path, is_gzip) of files that are sent as a whole."""

    def measure(where, path, is_gzip):
        headers = GZIP if is_gzip else {}
        with serve(session, where) as server:
            load.check(server, path, None if is_gzip else servers.FILE_BYTES, headers)
            return load.wrk(server, path, BUSY_CONNECTIONS, headers=headers)

    return measure


def disk(session, card):
    """100 KB from a folder, by sendfile."""
    against_nginx(session, card, "A file of 100 KB from disk", {
        "nginx": ("nginx", NOISE, False, None),
        "limpet": ("disk", NOISE, False, FILE_AIM),
    }, get(session))


def archive(session, card):
    """100 KB out of the executable: as they are, inflated, and deflated as they lie there."""
    against_nginx(session, card, "A file of 100 KB from the archive", {
        "nginx, from disk": ("nginx", NOISE, False, None),
        "limpet, stored": ("archive", NOISE, False, FILE_AIM),
        "limpet, deflated": ("archive", TEXT, False, FILE_AIM),
        "limpet, deflated, sent as gzip": ("archive", TEXT, True, None),
    }, get(session))


def not_modified(session, card):
    """304 for the entity tag that the server itself has given."""

    def measure(where, path):
        with serve(session, where) as server:
            headers = {"If-None-Match": load.check(server, path, servers.FILE_BYTES)["ETag"]}
            load.check(server, path, 0, headers, status=304)
            return load.wrk(server, path, BUSY_CONNECTIONS, headers=headers)

    against_nginx(session, card, "304 for If-None-Match", {
        "nginx": ("nginx", NOISE, None),
        "limpet, from disk": ("disk", NOISE, NOT_MODIFIED_AIM),
        "limpet, from the archive": ("archive", NOISE, NOT_MODIFIED_AIM),
        "limpet, from the archive, deflated": ("archive", TEXT, NOT_MODIFIED_AIM),
    }, measure)


CODINGS = {"plain": "identity", "gzip": "gzip", "zstd": "zstd"}


def compress(session, card):
    """10 KB of JSON from the application, compressed anew for each request."""

    def measure(label):
        headers = {"Accept-Encoding": CODINGS[label]}
        with servers.Server(session, "limpet", "answers", options=["--compress"]) as server:
            load.check(server, "/", HELLO_BYTES, headers)
            fields = load.check(server, "/listing", None, headers)
            figures = load.wrk(server, "/listing", BUSY_CONNECTIONS, headers=headers)
        return figures | {"is_coded": fields.get("Content-Encoding", "plain") == label,
                          "bytes": int(fields.get("Content-Length") or 0)}

    results = {label: rounds for (label,), rounds in interleaved(session, [(label,) for label in CODINGS],
                                                                 measure).items()}
    rows = []
    for label, rounds in results.items():
        if not all(figures["is_coded"] for figures in rounds):
            session.note(f"10 KB of JSON were not sent as {label}")
        rows.append([label, f"{table.median(rounds, 'rate'):,.0f}",
                     f"{table.ratio(rounds, results['plain']) * 100:.1f}%",
                     f"{table.median(rounds, 'cpu'):.1f}", f"{table.median(rounds, 'p99'):.2f}",
                     f"{table.median(rounds, 'bytes'):,.0f}"])
    card.table(f"10 KB of JSON with --compress, {BUSY_CONNECTIONS} connections, 1 worker on CPU 0",
               ["coding", "requests/s", "of plain", "CPU us a request", "p99 ms", "bytes"], rows)
