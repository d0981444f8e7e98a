"""Rows about asynchronous applications under load: ASGI beside its servers and nginx, RSGI beside our own ASGI, and
WebSockets."""

import latency
import load
import machine
import peers
import servers
import table
import websocket
from rows_load import BUSY_CONNECTIONS, HELLO_BYTES, interleaved, one_load

PEERS = [(kind, "asgi") for kind in peers.COMMANDS]
OURS = ("limpet", "asgi")
LIMIT = ("nginx", "hello")
UVICORN = ("uvicorn", "asgi")
BASES = {UVICORN: "uvicorn", OURS: "ASGI"}


def label(kind, application):
    """A contestant in a table."""
    return {"limpet": f"limpet ({application.upper()})"}.get(kind, servers.LABELS[kind])


def best_p99(results):
    """The aim of ours: the best that a peer has."""
    return table.at_most(min(table.median(results[peer], "p99") for peer in PEERS), "{:.2f} ms")


def compare(session, card, title, results, *, base, times=None, connections=BUSY_CONNECTIONS, of="request"):
    """A table of what a client found, as multiples of one contestant's. times: the aim of our multiple, None: no aim.
    of: what is counted."""
    rows, best = [], best_p99(results) if base in PEERS else None
    for contestant, rounds in results.items():
        ours = contestant[0] == "limpet" and contestant != base
        multiple = table.ratio(rounds, results[base])
        rows.append([label(*contestant), f"{table.median(rounds, 'rate'):,.0f}", f"{multiple:.2f}",
                     card.judge(title, times, multiple) if ours and times else "",
                     f"{table.median(rounds, 'cpu'):.2f}", f"{table.median(rounds, 'p50'):.2f}",
                     f"{table.median(rounds, 'p99'):.2f}",
                     card.judge(f"{title}, p99", best, table.median(rounds, "p99")) if ours and best else ""])
    session.note(f"asynchronous peers: {peers.versions()}")
    card.table(f"{title}, {connections} connections, 1 worker on CPU 0",
               ["server", f"{of}s/s", f"times {BASES[base]}", "aim", f"CPU us a {of}", "p50 ms", "p99 ms", "aim"], rows)


# --- 13 bytes ---

PLAIN_CONNECTIONS = (8, 64, 512)
UVICORN_AIM, NGINX_AIM = table.at_least(2.3, "{}"), table.at_least(85, "{}%")


def plain(session, card):
    """13 bytes from one worker at 8, 64 and 512 connections, beside nginx as the limit."""

    def measure(kind, application):
        with servers.Server(session, kind, application) as server:
            load.check(server, "/", HELLO_BYTES)
            return {connections: load.wrk(server, "/", connections) for connections in PLAIN_CONNECTIONS}

    results = interleaved(session, [OURS, LIMIT, *PEERS], measure)
    rows = []
    for connections in PLAIN_CONNECTIONS:
        rounds = {contestant: [figures[connections] for figures in result] for contestant, result in results.items()}
        rows += [plain_row(card, contestant, connections, rounds) for contestant in rounds]
    session.note(f"asynchronous peers: {peers.versions()}")
    card.table("13 bytes from an ASGI application, 1 worker on CPU 0",
               ["connections", "server", "requests/s", "times uvicorn", "aim", "of nginx", "aim", "CPU us a request",
                "p50 ms", "p99 ms", "aim"], rows)


def plain_row(card, contestant, connections, rounds):
    """One server at so many connections."""
    ours, what = contestant == OURS, f"13 bytes (ASGI) at {connections}"
    times = table.ratio(rounds[contestant], rounds[UVICORN])
    share = table.ratio(rounds[contestant], rounds[LIMIT]) * 100
    figures = {name: table.median(rounds[contestant], name) for name in ("rate", "cpu", "p50", "p99")}
    return [connections, label(*contestant), f"{figures['rate']:,.0f}", f"{times:.2f}",
            card.judge(f"{what}, uvicorn", UVICORN_AIM, times) if ours else "", f"{share:.1f}%",
            card.judge(f"{what}, nginx", NGINX_AIM, share) if ours else "", f"{figures['cpu']:.2f}",
            f"{figures['p50']:.2f}", f"{figures['p99']:.2f}",
            card.judge(f"{what}, p99", best_p99(rounds), figures["p99"]) if ours else ""]


# --- work for the application ---

def application_row(path, size, title, aim=None, connections=BUSY_CONNECTIONS):
    """The row of one path beside the peers."""

    def measure_row(session, card):
        results = interleaved(session, [OURS, *PEERS], one_load(session, path, size, connections))
        compare(session, card, title, results, base=UVICORN, times=aim, connections=connections)

    return measure_row


STREAM_BYTES = 100 * 1024
SLEEP_CONNECTIONS = 512
json = application_row("/json", None, "JSON of a dictionary of ten keys (ASGI)")
echo = application_row("/echo", len(load.POST_BODY), "echo of a POST of 10 KB (ASGI)", table.at_least(2, "{}"))
stream = application_row("/stream", STREAM_BYTES, "100 KB in 100 pieces (ASGI)")
sleep = application_row("/sleep", HELLO_BYTES, "asyncio.sleep(0.01)", table.at_least(1, "{}"), SLEEP_CONNECTIONS)


def tls(session, card):
    """13 bytes over HTTPS on kept connections."""
    results = interleaved(session, [OURS, LIMIT, *PEERS], one_load(session, "/", HELLO_BYTES, tls="ecdsa"))
    compare(session, card, "13 bytes over HTTPS (ASGI, TLS 1.3)", results, base=UVICORN)


RSGI_AIM = table.at_least(1.15, "{}")


def rsgi(session, card):
    """13 bytes from the same worker by the other interface."""
    results = interleaved(session, [OURS, ("limpet", "rsgi")], one_load(session, "/", HELLO_BYTES))
    compare(session, card, "13 bytes (RSGI)", results, base=OURS, times=RSGI_AIM)


# --- a steady mixture ---

MIX_CONNECTIONS, MIX_RATE, MIX_SECONDS = 32, 1500, 4  # seconds a round, at least
SLEEPING = "/sleep"
MIX = [latency.Question(path, **more) for path, times, more in [
    ("/", 12, {}), ("/json", 4, {"end": b'"clings to the edge"}'}),
    ("/echo", 2, {"body": load.POST_BODY[:-3] + b"end", "end": b"end"}),
    ("/stream", 1, {"end": b"\r\n0\r\n\r\n"}), (SLEEPING, 1, {})] for _ in range(times)]


def mixed(session, card):
    """Small and large answers at a rate that all servers can keep up with: how long each took."""

    def measure(kind, application):
        with servers.Server(session, kind, application) as server, machine.pinned({1}):
            pids = machine.process_tree(server.process.pid)
            before = machine.cpu_seconds(pids)
            times = latency.measure_mix(server.port, max(MIX_SECONDS, session.seconds), MIX, MIX_CONNECTIONS, MIX_RATE)
            used = machine.cpu_seconds(pids) - before
        return mixture(times) | {"cpu": used / sum(map(len, times.values())) * 1e6}

    results = interleaved(session, [OURS, *PEERS], measure)
    rows = []
    for contestant, rounds in results.items():
        figures = {name: table.median(rounds, name) for name in rounds[0]}
        rows.append([label(*contestant), f"{figures['requests']:,.0f}", f"{figures['cpu']:.1f}",
                     *(f"{figures[name]:.2f}" for name in ("p50", "p99")),
                     card.judge("mixed, p99", best_p99(results), figures["p99"]) if contestant == OURS else "",
                     *(f"{figures[name]:.2f}" for name in ("p99 /", "p99 /echo", "p99 /stream", "p99 /sleep"))])
    card.table(f"{MIX_RATE:,} requests a second on {MIX_CONNECTIONS} connections: of 20, 12 are for 13 bytes, 4 for JSON, "
               "2 for the echo of 10 KB, 1 for 100 KB in 100 pieces and 1 for asyncio.sleep(0.01); 1 worker on CPU 0",
               ["server", "requests", "CPU us a request", "p50 ms", "p99 ms", "aim", "p99 of 13 bytes", "of the echo",
                "of 100 pieces", "of the sleep"], rows)


def mixture(times):
    """Figures of one round: of all but those that sleep, and of each kind."""
    awake = sorted(value for path, values in times.items() if path != SLEEPING for value in values)
    figures = {f"p99 {path}": latency.percentile(values, 0.99) for path, values in times.items()}
    return figures | {"requests": sum(map(len, times.values())), "p50": latency.percentile(awake, 0.5),
                      "p99": latency.percentile(awake, 0.99)}


# --- WebSockets ---

MESSAGE_BYTES = 32
WEBSOCKET_AIM = table.at_least(1.4, "{}")


def websockets(session, card):
    """Messages that come back, one under way on each connection."""

    def measure(kind, application):
        with servers.Server(session, kind, application) as server:
            return websocket.echo(server, BUSY_CONNECTIONS, MESSAGE_BYTES)

    results = interleaved(session, [OURS, *PEERS], measure)
    compare(session, card, f"WebSocket echo of {MESSAGE_BYTES} bytes", results, base=UVICORN,
            times=WEBSOCKET_AIM, of="message")
