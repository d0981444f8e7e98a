"""Imports from the archive at the end of the executable.

The folders app, site and lib of the archive stand on sys.path as EXECUTABLE/app and so on. A path hook claims what is
below the executable; its finder asks the C index, its loader unmarshals code from the mapping. Everything else (source
text, data files, importlib.resources) goes through ordinary file functions, which see the archive as files.
"""

import _imp
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import SourceFileLoader

import _limpet

# The answers of _limpet.archive_locate.
_MODULE, _PACKAGE, _FOLDER = 1, 2, 3
_ROOT = _limpet.archive_root() + "/"
_CODE_TAIL = f".{sys.implementation.cache_tag}.pyc"


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


def install():
    """Claim the archive's folders, before zipimport and the file finder look at them."""
    sys.path_hooks.insert(0, ArchiveFinder)
    for path in [path for path in sys.path_importer_cache if path.startswith(_ROOT)]:
        del sys.path_importer_cache[path]
