"""Imports from the archive at the end of the executable.

The folders app, site and lib of the archive stand on sys.path as EXECUTABLE/app and so on. A path hook claims what is
below the executable; its finder asks the C index, its loader unmarshals code from the mapping. Everything else (source
text, data files, importlib.resources) goes through ordinary file functions, which see the archive as files.

The standard library is frozen or built in, which Python asks before sys.path. An application may have a calendar.py or a
resource.py all the same, so another finder gives what comes first on sys.path its due. A third one stands in for granian,
whose names applications import that are written for RSGI.
"""

import _imp
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import PathFinder, SourceFileLoader

import _limpet

# The answers of _limpet.archive_locate.
_MODULE, _PACKAGE, _FOLDER = 1, 2, 3
_ROOT = _limpet.archive_root() + "/"
_CODE_TAIL = f".{sys.implementation.cache_tag}.pyc"
# Where the standard library would be on sys.path: what lies behind does not hide its modules.
_STANDARD_LIBRARY = {_ROOT + "site", _ROOT + "lib"}
# Modules that no file hides in any Python: the interpreter has them inside.
_NEVER_HIDDEN = {"atexit", "builtins", "errno", "faulthandler", "gc", "itertools", "marshal", "posix", "pwd", "sys", "time"}


class ArchiveLoader(SourceFileLoader):
    """Loads a module whose code was compiled when the application was packed (PEP 302, PEP 451)."""

    def get_code(self, fullname):
        """The module's code object; compiled from its source where the archive has no code for it."""
        folder, _, name = self.path[len(_ROOT):].rpartition("/")
        code = _limpet.archive_code(f"{folder}/__pycache__/{name.removesuffix('.py')}{_CODE_TAIL}")
        if code is None:
            return super().get_code(fullname)
        _imp._fix_co_filename(code, self.path)
        return code

    def _cache_bytecode(self, source_path, bytecode_path, data):
        """The archive is read-only."""


class ArchiveFinder:
    """A path entry finder (PEP 302) for one folder of the archive."""

    def __init__(self, path):
        """Raise ImportError unless path is a folder below the executable."""
        if not path.startswith(_ROOT):
            raise ImportError("not in the archive", path=path)
        self._folder = path[len(_ROOT):].rstrip("/")
        self._path = _ROOT + self._folder
        if not _limpet.archive_children(self._folder):
            raise ImportError("not a folder of the archive", path=path)

    def find_spec(self, fullname, target=None):
        """The module's spec, or None."""
        name = fullname.rpartition(".")[2]
        located = _limpet.archive_locate(self._folder, name)
        if not located:
            return None
        path = f"{self._path}/{name}"
        if located == _FOLDER:
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [path]
            return spec
        file = f"{path}/__init__.py" if located == _PACKAGE else f"{path}.py"
        spec = ModuleSpec(fullname, ArchiveLoader(fullname, file), origin=file, is_package=located == _PACKAGE)
        spec.has_location = True
        if located == _PACKAGE:
            spec.submodule_search_locations = [path]
        return spec

    def iter_modules(self, prefix=""):
        """Yield (name, is package) for pkgutil.iter_modules."""
        for name, is_folder in _limpet.archive_children(self._folder):
            if is_folder and _limpet.archive_locate(self._folder, name) == _PACKAGE:
                yield prefix + name, True
            elif not is_folder and name.endswith(".py") and name != "__init__.py":
                yield prefix + name[:-3], False

    def invalidate_caches(self):
        """The archive does not change."""


class HidingFinder:
    """A meta path finder (PEP 451) for modules that hide one of the standard library, as they do where that is files."""

    @staticmethod
    def find_spec(fullname, path=None, target=None):
        """The spec of a module on sys.path before the standard library that has the name of one in there, or None."""
        if path is not None or fullname[:1] == "_" or fullname in _NEVER_HIDDEN:
            return None
        if not (_imp.is_frozen(fullname) or _imp.is_builtin(fullname)):
            return None
        before = []
        for entry in sys.path:
            if entry in _STANDARD_LIBRARY:
                break
            before.append(entry)
        spec = PathFinder.find_spec(fullname, before, target)
        # A folder without __init__.py is no package unless nothing else has the name.
        return spec if spec is not None and spec.loader is not None else None


class GranianLoader:
    """Loads granian and granian.rsgi where there is no such package, or none that can be loaded."""

    @staticmethod
    def create_module(spec):
        """An ordinary one."""

    @staticmethod
    def exec_module(module):
        """Fill in what limpet.rsgi has."""
        if module.__name__ == "granian.rsgi":
            from limpet import rsgi

            module.__dict__.update({name: getattr(rsgi, name) for name in rsgi.__all__}, __all__=rsgi.__all__)


class GranianFinder:
    """A meta path finder (PEP 451) for granian and granian.rsgi alone."""

    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        """The spec of the stand-in, or None where the real one can be loaded."""
        if fullname == "granian" and not cls._is_installed():
            return ModuleSpec(fullname, GranianLoader, is_package=True)
        if fullname == "granian.rsgi" and getattr(sys.modules.get("granian"), "__loader__", None) is GranianLoader:
            return ModuleSpec(fullname, GranianLoader)
        return None

    @staticmethod
    def _is_installed():
        spec = PathFinder.find_spec("granian")
        if spec is None or spec.loader is None:
            return False
        # Its server is an extension module, which this Python cannot load: what needs it is of no use.
        places = spec.submodule_search_locations or []
        needs_server = any(_has_server(place) for place in places)
        return not needs_server or PathFinder.find_spec("granian._granian", places) is not None


def _has_server(folder):
    """Whether granian's own extension module lies there."""
    from os import listdir

    try:
        return any(name.startswith("_granian.") for name in listdir(folder))
    except OSError:
        return False


def install():
    """Claim the archive's folders, before zipimport and the file finder look at them, and go before the frozen modules."""
    sys.meta_path[:0] = HidingFinder, GranianFinder
    sys.path_hooks.insert(0, ArchiveFinder)
    for path in [path for path in sys.path_importer_cache if path.startswith(_ROOT)]:
        del sys.path_importer_cache[path]
