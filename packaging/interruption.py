"""A tool that is interrupted (Ctrl-C, SIGTERM, a terminal that goes) cleans up and then ends by that signal, so that
whoever waits for it knows."""

import os
import signal
import sys

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """Raised in the main thread; number is the signal's."""

    def __init__(self, number):
        super().__init__(number)
        self.number = number


def watch():
    """From here on these signals raise Interrupted, the first of them: what cleans up is left to finish. One that is
    ignored, as under nohup, stays so."""
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(number, frame):
    del frame
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    raise Interrupted(number)


def end(number):
    """End this process by the signal, as if nobody had caught it."""
    sys.stdout.flush()
    sys.stderr.flush()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
