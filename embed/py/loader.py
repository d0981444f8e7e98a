"""From a target as the operator writes it to the application object, and what is done before it is imported.

A target is "module", "module:attribute", a folder, a .py file or a zip; behind a folder, file or zip may stand
":module:attribute" (":attribute" for a file). Without an attribute, "app" and then "application" is taken, or what
limpet.discovery finds in the source. An attribute that ends in "()" is a factory: it is called without arguments.
"""

import importlib
import importlib.util
import inspect
import os
import sys

import _limpet
from limpet import interfaces

_DEFAULT_ATTRIBUTES = ("app", "application")
_DEFAULT_FACTORIES = ("create_app", "make_app")
# The modules of the targets so far, as they stand on sys.path: the first part of their name.
_served = set()
_OWN_FRAMES = ("<frozen limpet.", "<frozen importlib")


class LoadError(Exception):
    """The target cannot be served; the text names it and the way out."""


def set_environment(files):
    """Put what these files say into the environment, where it is not there already; a later file wins over an earlier.

    Raises LoadError.
    """
    import time

    from limpet import env_files

    values = {}
    for name in files:
        try:
            with open(name, encoding="utf-8", errors="surrogateescape", newline="") as file:
                values |= env_files.parse(file.read())
        except OSError as error:
            raise LoadError(f"--env-files {name}: {error.strerror}") from None
        except env_files.EnvFileError as error:
            raise LoadError(f"--env-files {name}: {error}") from None
    for key, value in values.items():
        os.environ.setdefault(key, value)
    time.tzset()  # TZ may be among them


def load(target, interface, factory, spelling="--interface {}"):
    """Import the application.

    target: see above. interface: "auto", "wsgi", "asgi" or "rsgi". factory: what the target names makes the application.
    spelling: how an interface is asked for, with {} in its place.
    Returns (what is called, the application, "module:attribute", "wsgi", "asgi", "asgi2" or "rsgi").
    Raises LoadError where the operator can mend it; whatever the application raises at import comes through.
    """
    module_name, _, attribute = _module_target(target, interface, factory).partition(":")
    if module_name in ("django.core.wsgi", "django.core.asgi"):
        _choose_django_settings()
    module = _import(module_name)
    _served.add(module_name.partition(".")[0])
    attribute = attribute or _default_attribute(module, module_name, interface, factory)
    made = attribute.endswith("()")
    attribute = attribute.removesuffix("()")
    application = _attribute(module, module_name, attribute)
    name = f"{module_name}:{attribute}"
    if factory or made:
        application = _make(application, name)
        name += "()"
    # One that is made for RSGI alone needs nothing but its __rsgi__.
    if not callable(application) and (interface not in ("auto", "rsgi") or not hasattr(application, "__rsgi__")):
        kind = "None" if application is None else f"a {type(application).__name__}"
        raise LoadError(f"{name} is {kind}, which cannot be called; give the application")
    try:
        chosen = interfaces.choose(application, interface)
    except interfaces.InterfaceError as error:
        ways_out = " or ".join(spelling.replace("{}", way) for way in error.ways_out)
        raise LoadError(f"{name} {error}{ways_out and '; give '}{ways_out}") from None
    return interfaces.callable_of(application, chosen), application, name, chosen


def _module_target(target, interface, factory):
    """The "module[:attribute]" of any target; a folder, file or zip is put on sys.path first."""
    path, colon, _ = target.partition(":")
    if _is_packed(path.partition(".")[0]):
        # What lies in the folder that the binary happens to be started in cannot take its place.
        return target
    if path.endswith(".py"):
        if not os.path.isfile(path):
            raise LoadError(f"{path}: there is no such file")
        folder, name = os.path.split(os.path.abspath(path))
        return _placed(folder, name[:-3] + target[len(path):])
    if path.endswith(".zip") or (not colon and os.path.isdir(path)) or "/" in path:
        if not os.path.exists(path):
            raise LoadError(f"{path}: there is no such folder or file")
        return _placed(os.path.abspath(path), target[len(path) + 1:] or _discover(path, interface, factory))
    # The application packed in goes first, then what lies in the working folder.
    sys.path.append(os.getcwd())
    return target


def _placed(place, target):
    """The target, after its place was put on sys.path. A process has only one module of a name: another application's may
    have it."""
    sys.path.insert(0, place)
    name = target.partition(":")[0].partition(".")[0]
    if name in _served:
        file = getattr(sys.modules.get(name), "__file__", None) or ""
        if not file.startswith(place + os.sep):
            raise LoadError(f"{place}: its module {name!r} has the name of one that is served already, {file}; rename one "
                            "of them, or put both into packages")
    return target


def _is_packed(module):
    return any(_limpet.archive_locate(folder, module) for folder in ("app", "site"))


def _discover(place, interface, factory):
    """The "module:attribute" of a folder or zip."""
    from limpet import discovery

    sources = discovery.Sources.of_zip(place) if place.endswith(".zip") else discovery.Sources.of_folder(place)
    try:
        return discovery.find(sources, factory, interface)
    except discovery.NotFound as error:
        raise LoadError(f"{place}: {error}; say where it is: MODULE:ATTR with --working-dir {place}") from None


def _source_tree(module_name):
    """The syntax tree of a module's source; None where there is none."""
    from limpet import analysis

    spec = importlib.util.find_spec(module_name)
    source = spec.loader.get_source(module_name) if hasattr(spec and spec.loader, "get_source") else None
    return analysis.parse(source) if source else None


def _choose_django_settings():
    """Django's settings module is what manage.py says, unless the environment says it."""
    from limpet import discovery

    tree = _source_tree("manage")
    settings = discovery.settings_modules(tree) if tree is not None else []
    if len(settings) == 1:
        os.environ.setdefault(discovery.SETTINGS_VARIABLE, settings[0])


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


def _default_attribute(module, module_name, interface, factory):
    """The attribute that a target without one means."""
    from limpet import discovery

    for candidate in _DEFAULT_FACTORIES if factory else _DEFAULT_ATTRIBUTES:
        if hasattr(module, candidate):
            return candidate
    if factory:
        raise LoadError(f"module {module_name!r} has neither 'create_app' nor 'make_app'; give the name as "
                        f"{module_name}:NAME")
    tree = _source_tree(module_name)
    try:
        found = discovery.attribute(tree, interface) if tree is not None else None
    except discovery.NotFound as error:
        raise LoadError(f"{module_name}: {error}; give the name as {module_name}:NAME") from None
    if found is None:
        raise LoadError(f"module {module_name!r} has neither 'app' nor 'application'; give the name as "
                        f"{module_name}:NAME")
    return found


def _attribute(module, module_name, attribute):
    value = module
    for part in attribute.split("."):
        try:
            value = getattr(value, part)
        except AttributeError:
            raise LoadError(f"module {module_name!r} has no {attribute!r}") from None
    return value


def _make(factory, name):
    """What a factory returns."""
    if not callable(factory):
        raise LoadError(f"{name} is a {type(factory).__name__}, which cannot be called; --factory wants what makes "
                        "the application")
    if inspect.iscoroutinefunction(factory) or inspect.isasyncgenfunction(factory):
        raise LoadError(f"{name} is an asynchronous function; a factory must return the application at once")
    try:
        takes_none = _takes(inspect.signature(factory))
    except (TypeError, ValueError):
        takes_none = True  # nobody knows: try
    if not takes_none:
        raise LoadError(f"{name} cannot be called without arguments, as a factory is")
    application = factory()
    if inspect.isawaitable(application):
        getattr(application, "close", lambda: None)()
        raise LoadError(f"{name}() is asynchronous; a factory must return the application at once")
    return application


def _takes(signature, *arguments):
    try:
        signature.bind(*arguments)
    except TypeError:
        return False
    return True
