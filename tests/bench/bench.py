#!/usr/bin/python3
"""The scorecard: limpet beside its peers and the limit, in one run, as Markdown tables with aims beside the figures.

    bench.py [--profile-binary PATH] [--only ROW...] [--rounds N] [--seconds S] [--functions N] [--output FILE]

Contestants take turns within each round; figures are medians of the rounds, ratios medians of each round's ratio.
Unless a row says otherwise the server has CPU 0 to itself and wrk, with one thread, CPU 1. Compare figures of one run
only: they move with the machine. The default run takes twenty minutes, a group of rows half of that.
"""

import argparse
import datetime
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import traceback

import machine
import rows_async
import rows_async_inside
import rows_client
import rows_idle
import rows_inside
import rows_load
import rows_logs
import rows_processes
import rows_static
import rows_tls
import servers
import table

ROWS = {
    "plain": rows_load.plain,
    "json": rows_load.json,
    "echo": rows_load.echo,
    "flask": rows_load.flask,
    "bulk": rows_load.bulk,
    "sleep": rows_load.sleep,
    "blocked": rows_load.blocked,
    "workers": rows_load.workers,
    "memory": rows_inside.memory,
    "idle": rows_idle.idle,
    "system-calls": rows_inside.system_calls,
    "instructions": rows_inside.instructions,
    "start-up": rows_inside.start_up,
    "access-log": rows_logs.access_log,
    "static-disk": rows_static.disk,
    "static-archive": rows_static.archive,
    "static-304": rows_static.not_modified,
    "compress": rows_static.compress,
    "supervisor": rows_processes.supervisor,
    "preload": rows_processes.preload,
    "tls": rows_tls.kept,
    "tls-handshakes": rows_tls.handshakes,
    "tls-bulk": rows_tls.bulk,
    "tls-idle": rows_tls.idle,
    "client": rows_client.client,
    "async-plain": rows_async.plain,
    "async-json": rows_async.json,
    "async-echo": rows_async.echo,
    "async-stream": rows_async.stream,
    "async-sleep": rows_async.sleep,
    "async-mixed": rows_async.mixed,
    "async-tls": rows_async.tls,
    "websocket": rows_async.websockets,
    "rsgi": rows_async.rsgi,
    "async-idle": rows_async_inside.idle,
    "async-system-calls": rows_async_inside.system_calls,
    "async-instructions": rows_async_inside.instructions,
}
ASYNCHRONOUS = [name for name in ROWS if name.startswith("async-") or name in ("websocket", "rsgi")]
GROUPS = {"asynchronous": ASYNCHRONOUS, "synchronous": [name for name in ROWS if name not in ASYNCHRONOUS]}
QUIET = 0.05  # share of the CPUs that others may use before figures are doubtful


def parse_arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile-binary", metavar="PATH", default=servers.ROOT / "build/release/limpet",
                        help="the limpet to measure (build/release/limpet)")
    parser.add_argument("--only", metavar="ROW", nargs="+", choices=[*ROWS, *GROUPS], default=list(ROWS),
                        help=f"rows to take: {', '.join(ROWS)}; or a group of them: {', '.join(GROUPS)}")
    parser.add_argument("--rounds", type=int, default=3, help="of every row under load (3)")
    parser.add_argument("--seconds", type=int, default=3, help="of every run of wrk (3)")
    parser.add_argument("--functions", type=int, default=0, metavar="N",
                        help="in row instructions, list the N most expensive functions too")
    parser.add_argument("--output", type=pathlib.Path, metavar="FILE", help="write the tables there as well")
    options = parser.parse_args()
    options.only = {row for name in options.only for row in GROUPS.get(name, [name])}
    if not os.access(options.profile_binary, os.X_OK):
        parser.error(f"{options.profile_binary} is not there or not executable: ./build.sh --release builds it")
    if min(options.rounds, options.seconds) < 1:
        parser.error("--rounds and --seconds are at least 1")
    if os.cpu_count() < 2:
        parser.error("two CPUs are needed: one for the server, one for the client")
    return options


def header(session):
    """What was measured where, when and how."""
    return (f"{session.binary.parent.name}/{session.binary.name}, {datetime.date.today()}, {machine.describe()}; "
            f"rounds: {session.rounds} of {session.seconds} s, medians.")


def footer(session, card):
    """The verdict, and what has to be known to read the tables."""
    notes = list(session.notes)
    disturbed = [share for share in session.disturbances if share > QUIET]
    if disturbed:
        notes.append(f"other processes used up to {max(disturbed):.0%} of the CPUs in {len(disturbed)} of "
                     f"{len(session.disturbances)} measurements: the figures are doubtful")
    return "\n".join([card.verdict(), *(f"- {note}" for note in notes)])


def take(name, session, card):
    """Whether the row could be taken: one that could not costs only itself."""
    try:
        ROWS[name](session, card)
        return True
    except (machine.Failure, subprocess.SubprocessError, OSError) as failure:
        session.note(f"row {name} **failed**: {failure}")
    except Exception:  # a mistake in the row's own code
        traceback.print_exc()
        session.note(f"row {name} **failed**: see the traceback")
    return False


def main():
    """Take the rows one after the other and print them."""
    options = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # servers are stopped on the way out
    with tempfile.TemporaryDirectory() as folder:
        session = servers.Session(options, folder)
        card = table.Scorecard()
        failed = [name for name in ROWS if name in options.only and not take(name, session, card)]
        session.progress("")
    text = "\n\n".join([header(session), *card.parts, footer(session, card)]) + "\n"
    sys.stdout.write(text)
    if options.output:
        options.output.write_text(text)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
