"""Rows that are taken under load: how much each server answers, how soon, and what it costs."""

import latency
import load
import machine
import servers
import table

HELLO_BYTES = 13
BUSY_CONNECTIONS = 64


def interleaved(session, contestants, measure):
    """{contestant: [figures of each round]}: in a round one contestant after the other, so that a machine which
    changes changes for all."""
    results = {contestant: [] for contestant in contestants}
    for number in range(session.rounds):
        for contestant, rounds in results.items():
            session.progress(f"round {number + 1} of {session.rounds}: {' '.join(map(str, contestant))}")
            rounds.append(measure(*contestant))
    return results


def one_load(session, path, size, connections=BUSY_CONNECTIONS, **server_options):
    """measure(kind, application) of a server that is started for one run of wrk."""

    def measure(kind, application, path=path):
        with servers.Server(session, kind, application, **server_options) as server:
            load.check(server, path, size)
            return load.wrk(server, path, connections)

    return measure


# --- 13 bytes ---

PLAIN_AIMS = {8: table.at_least(95, "{}%"), 64: table.at_least(92, "{}%"), 512: table.at_least(88, "{}%")}
P99_AIM = table.at_most(0.8, "{} ms")


def plain(session, card):
    """13 bytes from one worker at 8, 64 and 512 connections, beside nginx as the limit."""

    def measure(kind, application):
        with servers.Server(session, kind, application) as server:
            load.check(server, "/", HELLO_BYTES)
            return {connections: load.wrk(server, "/", connections) for connections in PLAIN_AIMS}

    results = interleaved(session, servers.HELLO_SERVERS, measure)
    rows = []
    for connections, aim in PLAIN_AIMS.items():
        rounds = {kind: [figures[connections] for figures in result] for (kind, _), result in results.items()}
        rows += [plain_row(card, kind, connections, rounds, aim) for kind in rounds]
    session.note("uwsgi gives a thread to each connection: beyond 16 connections the others get no answer at all")
    columns = ["connections", "server", "requests/s", "of nginx", "aim", "CPU us a request", "p50 ms", "p99 ms", "aim"]
    card.table("13 bytes, 1 worker on CPU 0", columns, rows)


def plain_row(card, kind, connections, rounds, aim):
    """One server at so many connections."""
    share = table.ratio(rounds[kind], rounds["nginx"]) * 100
    figures = {name: table.median(rounds[kind], name) for name in ("rate", "cpu", "p50", "p99")}
    ours = kind == "limpet"
    what = f"13 bytes at {connections}"
    return [connections, servers.LABELS[kind], f"{figures['rate']:,.0f}", f"{share:.1f}%",
            card.judge(what, aim, share) if ours else "", f"{figures['cpu']:.2f}", f"{figures['p50']:.2f}",
            f"{figures['p99']:.2f}",
            card.judge("p99", P99_AIM, figures["p99"]) if ours and connections == BUSY_CONNECTIONS else ""]


# --- work for the application ---

def against_gunicorn(session, card, title, rounds, aim):
    """A table of what wrk found at 64 connections; the aim is a multiple of gunicorn."""
    rows = []
    for kind, figures in rounds.items():
        times = table.ratio(figures, rounds["gunicorn"])
        rows.append([servers.LABELS[kind], f"{table.median(figures, 'rate'):,.0f}", f"{times:.2f}",
                     card.judge(title, aim, times) if kind == "limpet" else "",
                     f"{table.median(figures, 'cpu'):.1f}", f"{table.median(figures, 'p99'):.2f}"])
    card.table(f"{title}, {BUSY_CONNECTIONS} connections, 1 worker on CPU 0",
               ["server", "requests/s", "times gunicorn", "aim", "CPU us a request", "p99 ms"], rows)


def application_row(path, size, title, aim, kinds):
    """The row of one path of an application. kinds: {server: application}."""

    def measure_row(session, card):
        results = interleaved(session, list(kinds.items()), one_load(session, path, size))
        against_gunicorn(session, card, title, {kind: rounds for (kind, _), rounds in results.items()}, aim)

    return measure_row


ANSWERS = {kind: "answers" for kind in ("limpet", "gunicorn", "uwsgi")} | {"uvicorn": "asgi"}
json = application_row("/json", None, "JSON of a dictionary of ten keys", table.at_least(6.5, "{}"), ANSWERS)
echo = application_row("/echo", len(load.POST_BODY), "echo of a POST of 10 KB", table.at_least(9, "{}"), ANSWERS)
flask = application_row("/", HELLO_BYTES, "Flask hello", table.at_least(3.5, "{}"),
                        {kind: "flask" for kind in ("limpet", "gunicorn", "uwsgi")})


# --- 100 KB ---

BULK = {"/generator": "generator, 10 of 10 KB", "/generator-1k": "generator, 100 of 1 KB", "/file": "wsgi.file_wrapper"}
BULK_AIM = table.at_least(85, "{}%")


def bulk(session, card):
    """100 KB made by a generator, and sent from a file, beside nginx with a file of that size."""
    contestants = [("nginx", "answers", "/file")] + [("limpet", "answers", path) for path in BULK]
    results = interleaved(session, contestants, one_load(session, None, servers.FILE_BYTES))
    limit = results[contestants[0]]
    rows = []
    for kind, application, path in contestants:
        rounds = results[kind, application, path]
        share = table.ratio(rounds, limit) * 100
        label = f"limpet, {BULK[path]}" if kind == "limpet" else "nginx, static file"
        aimed = kind == "limpet" and path != "/generator-1k"
        rows.append([label, f"{table.median(rounds, 'rate'):,.0f}", f"{share:.1f}%",
                     card.judge(BULK[path], BULK_AIM, share) if aimed else "",
                     f"{table.median(rounds, 'cpu'):.1f}", f"{table.median(rounds, 'p99'):.2f}"])
    card.table(f"100 KB, {BUSY_CONNECTIONS} connections, 1 worker on CPU 0",
               ["answer", "requests/s", "of nginx's file", "aim", "CPU us a request", "p99 ms"], rows)


# --- handlers that wait ---

SLEEP_THREADS = 64
SLEEP_IDEAL = BUSY_CONNECTIONS / 0.01
SLEEP_AIM = table.at_least(95, "{}%")


def sleep(session, card):
    """Handlers of 10 ms, as many at once as there are connections."""
    threads = SLEEP_THREADS if session.has_blocking_threads else None
    results = interleaved(session, [("limpet", "answers")], one_load(session, "/sleep", HELLO_BYTES, threads=threads))
    rounds = results["limpet", "answers"]
    share = table.median(rounds, "rate") / SLEEP_IDEAL * 100
    label = f"limpet, {threads} blocking threads" if threads else "limpet, which has no --blocking-threads"
    card.table(f"time.sleep(0.01), {BUSY_CONNECTIONS} connections, 1 worker on CPU 0",
               ["server", "requests/s", f"of {SLEEP_IDEAL:,.0f}", "aim", "CPU us a request", "p99 ms"],
               [[label, f"{table.median(rounds, 'rate'):,.0f}", f"{share:.1f}%", card.judge("sleep", SLEEP_AIM, share),
                 f"{table.median(rounds, 'cpu'):.1f}", f"{table.median(rounds, 'p99'):.2f}"]])


BLOCKED_SECONDS = 4  # a round, at least: four handlers of 1 s
BLOCKED_AIM = table.at_most(5, "{} ms more")


def blocked(session, card):
    """What a handler that blocks for 1 s on one connection does to the others."""

    def measure(_, is_blocked):
        with servers.Server(session, "limpet", "answers") as server, machine.pinned({1}):
            times = latency.measure(server.port, max(BLOCKED_SECONDS, session.seconds), is_blocked)
        return {"count": len(times), "p50": times[len(times) // 2], "p99": times[len(times) * 99 // 100],
                "max": times[-1]}

    results = interleaved(session, [("blocked handler:", False), ("blocked handler:", True)], measure)
    rows, without = [], table.median(results["blocked handler:", False], "p99")
    for (_, is_blocked), rounds in results.items():
        p99 = table.median(rounds, "p99")
        rows.append(["one blocked, again and again" if is_blocked else "none blocked",
                     f"{sum(figures['count'] for figures in rounds):,}",
                     f"{table.median(rounds, 'p50'):.2f}", f"{p99:.2f}",
                     card.judge("blocked handler", BLOCKED_AIM, p99 - without) if is_blocked else "",
                     f"{max(figures['max'] for figures in rounds):.1f}"])
    card.table(f"13 bytes asked for {latency.RATE:,} times a second on {latency.CONNECTIONS} connections while a "
               "handler blocks for 1 s, 1 worker on CPU 0",
               ["handlers", "requests", "p50 ms", "p99 ms", "aim", "max ms"], rows)


# --- two workers ---

WORKERS_AIM = table.at_least(1.7, "{}")
# What it does: (application, path). The less wrk has to do for each request, the more there is to win.
WORKERS_HANDLERS = {"hello": ("hello", "/"), "Flask hello": ("flask", "/"), "0.5 ms of Python": ("answers", "/compute")}
WORKERS_CASES = [(handler, count) for handler in WORKERS_HANDLERS for count in (1, 2)]


def workers(session, card):
    """Two workers against one, server and wrk free to use all CPUs."""

    def measure(handler, count):
        application, path = WORKERS_HANDLERS[handler]
        with servers.Server(session, "limpet", application, cpus=None, workers=count) as server:
            load.check(server, path, HELLO_BYTES)
            before = {pid: machine.cpu_seconds([pid]) for pid in machine.children(server.process.pid)}
            figures = load.wrk(server, path, BUSY_CONNECTIONS, cpus=None)
            used = [machine.cpu_seconds([pid]) - seconds for pid, seconds in before.items()]
        return figures | {"busiest": max(used) / sum(used)}

    results = interleaved(session, WORKERS_CASES, measure)
    rows = []
    for handler, count in WORKERS_CASES:
        rounds, single = results[handler, count], results[handler, 1]
        times = table.ratio(rounds, single)
        # Two CPUs busy with nothing else, at what server and client cost a request with one worker.
        cost = table.median(single, "cpu") + table.median(single, "client_cpu")
        possible = 2e6 / cost / table.median(single, "rate")
        rows.append([handler, count, f"{table.median(rounds, 'rate'):,.0f}", f"{times:.2f}",
                     card.judge(f"two workers ({handler})", WORKERS_AIM, times) if count == 2 else "",
                     f"{possible:.2f}", f"{table.median(rounds, 'busiest'):.0%}",
                     f"{table.median(rounds, 'cpu'):.2f}", f"{table.median(rounds, 'client_cpu'):.2f}"])
    columns = ["handler", "workers", "requests/s", "times one", "aim", "possible", "busiest worker's share",
               "CPU us a request", "of wrk"]
    card.table(f"Two workers against one, {BUSY_CONNECTIONS} connections, nothing pinned, wrk on the same 2 CPUs",
               columns, rows)
