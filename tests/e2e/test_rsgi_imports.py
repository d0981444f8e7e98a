"""The names that RSGI applications import: limpet.rsgi, and granian.rsgi where there is no such package."""

import pytest

USE = '''
import granian.rsgi
from granian.rsgi import HTTPProtocol, ProtocolClosed, ProtocolError, Scope, WebsocketMessageType, WebsocketProtocol
import limpet.rsgi
assert all(getattr(granian.rsgi, name) is getattr(limpet.rsgi, name) for name in limpet.rsgi.__all__)
assert granian.rsgi is not limpet.rsgi and granian.rsgi.__all__ == limpet.rsgi.__all__
assert (WebsocketMessageType.close, WebsocketMessageType.bytes, WebsocketMessageType.string) == (0, 1, 2)
assert issubclass(ProtocolError, RuntimeError) and issubclass(ProtocolClosed, RuntimeError)
assert not issubclass(ProtocolError, ProtocolClosed) and not issubclass(ProtocolClosed, ProtocolError)
print("as limpet's")
'''
REAL = "from granian.rsgi import Scope; import granian; print(Scope, granian.__file__ is not None)"


@pytest.fixture
def python(run, tmp_path):
    """python(source) -> what it prints, with packages out of a folder."""

    def run_python(source):
        done = run("python", "-c", f"import sys; sys.path.insert(0, {str(tmp_path / 'packages')!r})\n{source}")
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run_python


@pytest.fixture
def granian(tmp_path):
    """granian(*files) -> a package of that name, whose module rsgi has its own Scope."""

    def make(*files):
        folder = tmp_path / "packages/granian"
        folder.mkdir(parents=True)
        for name in ("__init__.py", *files):
            (folder / name).write_bytes(b"")
        (folder / "rsgi.py").write_text("Scope = 'real'\n")

    return make


def test_without_granian(python):
    assert python(USE) == "as limpet's\n"
    assert python("import granian, importlib.util as u; print(granian.__name__, u.find_spec('granian.rsgi') is None)") == (
        "granian False\n")


def test_only_what_is_there(python):
    source = "import granian\ntry:\n    import granian.server\nexcept ModuleNotFoundError as error:\n    print(error.name)"
    assert python(source) == "granian.server\n"


def test_granian_goes_first(python, granian):
    granian()
    assert python(REAL) == "real True\n"


@pytest.mark.static
def test_granian_that_cannot_be_loaded(python, granian):
    """Its extension module is a file, and a static binary loads none."""
    granian("_granian.cpython-314-x86_64-linux-gnu.so")
    assert python(USE) == "as limpet's\n"


def test_granian_with_what_it_needs(python, granian):
    granian("_granian.pyi", "_granian.py")
    assert python(REAL) == "real True\n"


@pytest.mark.parametrize("name", ["Scope", "Headers", "HTTPProtocol", "HTTPStreamTransport", "WebsocketProtocol",
                                  "WebsocketTransport", "WebsocketMessage"])
def test_objects_are_the_servers(python, name):
    source = f"""
from limpet import rsgi
assert rsgi.{name}.__module__ == "limpet.rsgi", rsgi.{name}.__module__
for attempt in (rsgi.{name}, lambda: object.__new__(rsgi.{name}), lambda: setattr(rsgi.{name}, "x", 1)):
    try:
        attempt()
    except TypeError:
        continue
    raise AssertionError(attempt)
"""
    assert python(source) == ""
