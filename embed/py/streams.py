"""What an application prints, logs and raises in a worker, as records of the server's log (_limpet.log_application).

sys.stdout and sys.stderr become text streams whose complete lines are records; logging's handler of last resort and
limpet.LogHandler write records with the logger's name. Each has the id of the request that was worked on.
"""

import io
import itertools
import sys
from _thread import _local

import _limpet

ERROR, WARNING, INFO, DEBUG = range(4)  # of the server's log

_RECORD_MOST = 8 * 1024  # bytes that are one record, if they are several lines
_LINE_MOST = 16 * 1024  # bytes of a line; of a longer one the middle is left out
_UNENDED_MOST = 256  # such lines

# Of a stream, a thread's number and a request's id: the beginning of a line. Each thread sees to its own, so this needs no
# lock.
unended = {}


class _Thread:
    """One that has written: its lines end when it does."""

    _numbers = itertools.count()

    def __init__(self):
        self.number = next(self._numbers)

    def __del__(self):
        for key in list(unended or ()):
            if key[1] == self.number:
                key[0].put(unended.pop(key, b""), key[2])


_threads = _local()


def _thread_number():
    """Of the thread that asks. Python's own are given to another one when a thread has ended."""
    try:
        return _threads.this.number
    except AttributeError:
        _threads.this = _Thread()
        return _threads.this.number


class LogStream(io.TextIOBase):
    """A text stream into the log: what is written together stays together, a line without an end waits for flush().

    level: of its records; None: one that is shown whatever --log-level says.
    """

    encoding = "utf-8"
    errors = "backslashreplace"
    newlines = None
    line_buffering = True
    write_through = False
    mode = "w"

    def __init__(self, name, descriptor, level):
        self.name = f"<{name}>"
        self._module = name
        self._descriptor = descriptor
        self._level = level
        self.buffer = LogBuffer(self)

    def write(self, text):
        """Returns how many characters that are. It never waits."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self.write_bytes(text.encode("utf-8", "backslashreplace"))
        return len(text)

    def write_bytes(self, data):
        """The same with the bytes of a text."""
        if _limpet is None:
            self._put_last(data)
            return
        request = _limpet.request_id()
        key = (self, _thread_number(), request)
        if unended:
            data = unended.pop(key, b"") + data
        if b"\r" in data:
            # Progress that is drawn over itself becomes lines.
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        end = data.rfind(b"\n") + 1
        if len(data) - end > _LINE_MOST:
            end = len(data)
        if end < len(data):
            unended[key] = data[end:]
            if len(unended) > _UNENDED_MOST:
                _end_line(next(iter(list(unended)), key))
            data = data[:end]
        if data:
            self.put(data, request)

    def put(self, data, request):
        """A record, whatever waits; several where it is long."""
        if _limpet is None:
            self._put_last(data)
            return
        level, start, size = self._level_of(data), 0, len(data)
        while start < size:
            end = size
            if end - start > _RECORD_MOST:
                end = data.rfind(b"\n", start, start + _RECORD_MOST) + 1 or data.find(b"\n", start) + 1 or size
            piece = data[start:end]
            if len(piece) > _LINE_MOST:
                piece = b" ... ".join((piece[:_LINE_MOST // 2], piece[-_LINE_MOST // 2:]))
            _limpet.log_application(level, self._module, piece, request)
            start = end

    # When the interpreter ends this module loses its names, _limpet before all others that are used here, and there are
    # objects whose __del__ prints after that.
    def _put_last(self, data, log=_limpet.log_application):
        if data:
            log(1 if self._level is None else self._level, self._module, data, None)

    def _level_of(self, data):
        if b"Traceback (most recent call last):\n" in data:
            return ERROR
        if self._level is not None:
            return self._level
        return INFO if _limpet.log_shows(INFO) else WARNING if _limpet.log_shows(WARNING) else ERROR

    def flush(self):
        """What waits for the end of its line in this thread, for this request, is one."""
        if _limpet is not None and unended:
            _end_line((self, _thread_number(), _limpet.request_id()))

    def close(self):
        """It stays open: others write to it as well."""
        self.flush()

    @property
    def closed(self):
        """As long as the worker lives it is not."""
        return False

    def detach(self):
        """The binary stream below it, for a text stream of another kind."""
        return self.buffer

    def reconfigure(self, *, encoding=None, errors=None, newline=None, line_buffering=None, write_through=None):
        """The log is UTF-8 and lines, whatever is asked for."""
        self.flush()

    def writable(self):
        """Yes."""
        return True

    def fileno(self):
        """The descriptor of that number, for those who write past this (faulthandler, subprocesses)."""
        return self._descriptor

    def isatty(self):
        """No terminal: what is written stands behind a date, and control characters are masked."""
        return False

    def __repr__(self):
        return f"<limpet log stream name={self.name!r}>"


class LogBuffer(io.BufferedIOBase):
    """The binary stream below a LogStream."""

    mode = "wb"

    def __init__(self, stream):
        self._stream = stream
        self.name = stream.name

    @property
    def raw(self):
        """Nothing is buffered below it."""
        return self

    def write(self, data):
        """Returns how many bytes that are."""
        data = memoryview(data).tobytes()
        self._stream.write_bytes(data)
        return len(data)

    def flush(self):
        """As the text stream's."""
        self._stream.flush()

    def close(self):
        """It stays open, as what wraps it closes it when it is thrown away."""
        self.flush()

    @property
    def closed(self):
        """As the text stream's."""
        return False

    def detach(self):
        """There is nothing below it."""
        raise io.UnsupportedOperation("detach")

    def writable(self):
        """Yes."""
        return True

    def fileno(self):
        """As the text stream's."""
        return self._stream.fileno()

    def isatty(self):
        """As the text stream's."""
        return False


def _end_line(key):
    data = unended.pop(key, None)
    if data:
        key[0].put(data, key[2])


def end_lines():
    """The work on a request ends, in this thread: so do its lines."""
    mine = _thread_number(), _limpet.request_id()
    for key in list(unended):
        if key[1:] == mine:
            _end_line(key)


def _end_all_lines():
    for key in list(unended):
        _end_line(key)


def format_exception(error):
    """The traceback of an exception as bytes."""
    import traceback

    return "".join(traceback.format_exception(error)).encode("utf-8", "backslashreplace")


def _print_at_once(traceback):
    """A traceback comes in many pieces: hand it over as one, so that it is one record and no other thread's lines come
    between."""
    print_pieces = traceback.TracebackException.print

    def print(self, *, file=None, **options):
        file = sys.stderr if file is None else file
        if not isinstance(file, LogStream):
            return print_pieces(self, file=file, **options)
        gathered = io.StringIO()
        print_pieces(self, file=gathered, **options)
        file.write(gathered.getvalue())

    print.__doc__, print.__qualname__ = print_pieces.__doc__, print_pieces.__qualname__
    traceback.TracebackException.print = print


def _replace_last_resort(logging):
    from limpet.log_handler import LogHandler

    logging.lastResort = LogHandler(logging.WARNING)


class _Loader:
    """Loads a module of the standard library as its own loader does, and changes it then."""

    def __init__(self, loader, change):
        self._loader = loader
        self._change = change

    def create_module(self, spec):
        """As its own."""
        return self._loader.create_module(spec)

    def exec_module(self, module):
        """As its own; nobody sees later that it was another."""
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._change(module)


class ChangingFinder:
    """A meta path finder (PEP 451) for modules that are changed when the application imports them, not before: an
    application that has no use for them does not pay for them."""

    changes = {"logging": _replace_last_resort, "traceback": _print_at_once}

    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        """The spec that the other finders have, with another loader. Once for each module."""
        change = cls.changes.pop(fullname, None) if path is None else None
        if change is None:
            return None
        if not cls.changes:
            sys.meta_path.remove(cls)
        for finder in sys.meta_path:
            spec = finder.find_spec(fullname, None, target) if finder is not cls else None
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(spec.loader, change)
                return spec
        return None


def install():
    """In a worker, before its application is loaded."""
    import atexit
    from posix import register_at_fork

    # The first that is registered is called last.
    atexit.register(_end_all_lines)
    # A child ends its own lines, not those that its parent has begun.
    register_at_fork(after_in_child=unended.clear)
    # The originals as well: the interpreter puts them back when it ends, and what objects print as they die then would
    # wait for who reads those descriptors.
    sys.stdout = sys.__stdout__ = LogStream("stdout", 1, INFO)
    sys.stderr = sys.__stderr__ = LogStream("stderr", 2, None)
    for name, change in list(ChangingFinder.changes.items()):
        if name in sys.modules:
            change(sys.modules[name])
            del ChangingFinder.changes[name]
    if ChangingFinder.changes:
        sys.meta_path.insert(0, ChangingFinder)
