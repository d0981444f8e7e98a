"""From a target as the operator writes it to the application object.

A target is "module", "module:attribute", a folder, a .py file or a zip; behind a folder, file or zip may stand
":module:attribute" (":attribute" for a file). Without an attribute, "app" and then "application" is taken.
"""

import importlib
import inspect
import os
import sys

import _limpet

_DEFAULT_ATTRIBUTES = ("app", "application")
_OWN_FRAMES = ("<frozen limpet.", "<frozen importlib")


class LoadError(Exception):
    """The target cannot be served; the text names it and the way out."""


def load(target, interface):
    """Import the application.

    target: see above. interface: "auto" or "wsgi".
    Returns (callable, "module:attribute", interface name).
    Raises LoadError where the operator can mend it; whatever the application raises at import comes through.
    """
    module_name, _, attribute = _module_target(target).partition(":")
    module = _import(module_name)
    application, found = _attribute(module, module_name, attribute)
    name = f"{module_name}:{found}"
    if not callable(application):
        raise LoadError(f"{name} is a {type(application).__name__}, which cannot be called; give the WSGI callable")
    return application, name, _interface(application, name, interface)


def _module_target(target):
    """The "module[:attribute]" of any target; a folder, file or zip is put on sys.path first."""
    path, colon, _ = target.partition(":")
    if _is_packed(path.partition(".")[0]):
        # What lies in the folder that the binary happens to be started in cannot take its place.
        return target
    if path.endswith(".py"):
        if not os.path.isfile(path):
            raise LoadError(f"{path}: there is no such file")
        folder, name = os.path.split(os.path.abspath(path))
        sys.path.insert(0, folder)
        return name[:-3] + target[len(path):]
    if path.endswith(".zip") or (not colon and os.path.isdir(path)) or "/" in path:
        if not os.path.exists(path):
            raise LoadError(f"{path}: there is no such folder or file")
        sys.path.insert(0, os.path.abspath(path))
        return target[len(path) + 1:] or _discover(path)
    # The application packed in goes first, then what lies in the working folder.
    sys.path.append(os.getcwd())
    return target


def _is_packed(module):
    return any(_limpet.archive_locate(folder, module) for folder in ("app", "site"))


def _discover(place):
    """The "module:attribute" of a folder or zip: what its pyproject.toml says, else as "pack" finds it."""
    import pathlib
    import tomllib
    import zipfile

    from limpet import analysis

    root = zipfile.Path(place) if place.endswith(".zip") else pathlib.Path(place)
    project = root / "pyproject.toml"
    if project.is_file():
        try:
            tables = tomllib.loads(project.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise LoadError(f"{project}: not valid TOML: {error}") from None
        app = tables.get("tool", {}).get("limpet", {}).get("app")
        if app:
            return app
    for name in analysis.TARGET_MODULES:
        for file in (root / f"{name}.py", root / name / "__init__.py"):
            tree = analysis.parse(file.read_bytes()) if file.is_file() else None
            found = analysis.top_level_names(tree) if tree is not None else ()
            for attribute in analysis.TARGET_NAMES:
                if found is not None and attribute in found:
                    return f"{name}:{attribute}"
    raise LoadError(f"{place}: no application found: none of {', '.join(analysis.TARGET_MODULES)} defines "
                    f"{' or '.join(analysis.TARGET_NAMES)}; say where it is: MODULE:ATTR with --working-dir {place}")


def _import(name):
    if not all(part.isidentifier() for part in name.split(".")):
        raise LoadError(f"{name!r} is no module name; a target looks like module:attribute")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise LoadError(f"there is no module {error.name!r}; it was looked for in {_places()}") from None
        raise


def strip_own_frames(error):
    """Take the frames that led to the application's own code off an exception's traceback."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OWN_FRAMES):
        trace = trace.tb_next
    error.__traceback__ = trace


def _places():
    return ", ".join(sys.path) or "nothing"


def _attribute(module, module_name, attribute):
    if attribute:
        value = module
        for part in attribute.split("."):
            try:
                value = getattr(value, part)
            except AttributeError:
                raise LoadError(f"module {module_name!r} has no {attribute!r}") from None
        return value, attribute
    for candidate in _DEFAULT_ATTRIBUTES:
        if hasattr(module, candidate):
            return getattr(module, candidate), candidate
    raise LoadError(f"module {module_name!r} has neither 'app' nor 'application'; give the name as {module_name}:NAME")


def _interface(application, name, interface):
    asynchronous = inspect.iscoroutinefunction(application) or inspect.iscoroutinefunction(
        getattr(type(application), "__call__", None))
    if asynchronous:
        raise LoadError(f"{name} is an asynchronous (ASGI) application; only WSGI is served")
    return "wsgi" if interface == "auto" else interface
