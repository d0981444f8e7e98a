"""Where the application is in a folder, a zip, a file, or what is about to be packed: told from names and syntax, without
running anything. One way for serve, check and pack.

The first of these that is there:
  1. the app of [tool.limpet] in pyproject.toml
  2. app or application in a module app, wsgi, main, application, server or asgi
  3. an instance of any name, in one of these, of Flask, Quart, Starlette, FastAPI or another framework of FRAMEWORKS
  4. Django's, where manage.py names the settings: the application of the project's wsgi.py, or else of these settings
  5. as 2 and 3, in the packages
  6. a function create_app or make_app, as 2 and then as 5: a factory

Where the operator asks for an interface, instances are of frameworks that have it; for ASGI, asgi comes before the other
modules, and Django's application is its asynchronous one.
"""

import ast
import functools
import glob
import os
import tomllib
import zipfile

from limpet import analysis

# Where an application is looked for, and under which names, in this order.
MODULES = ("app", "wsgi", "main", "application", "server", "asgi")
NAMES = ("app", "application")
FACTORIES = ("create_app", "make_app")
# Where the class of an application is imported from, its name, and its interface.
FRAMEWORKS = (
    ("flask", "Flask", "wsgi"),
    ("starlette.applications", "Starlette", "asgi"),
    ("fastapi", "FastAPI", "asgi"),
    ("quart", "Quart", "asgi"),
    ("litestar", "Litestar", "asgi"),
    ("falcon.asgi", "App", "asgi"),
    ("sanic", "Sanic", "asgi"),
    ("blacksheep", "Application", "asgi"),
    ("emmett", "App", "rsgi"),
    ("emmett55", "App", "rsgi"),
)
SETTINGS_VARIABLE = "DJANGO_SETTINGS_MODULE"


class NotFound(Exception):
    """No application, or several with the same claim. One line that lacks the place and the way out."""


class Sources:
    """The files among which to look: their names, relative to what will be on sys.path ("shop/wsgi.py")."""

    def __init__(self, names, read):
        """read(name) -> the file's bytes."""
        self.names = frozenset(names)
        self.read = read
        self._trees = {}

    @classmethod
    def of_folder(cls, path):
        """The Python files of a folder, two folders deep, and its pyproject.toml."""
        names = [name for pattern in ("pyproject.toml", "*.py", "*/*.py", "*/*/*.py")
                 for name in glob.glob(pattern, root_dir=path) if os.path.isfile(os.path.join(path, name))]

        def read(name):
            with open(os.path.join(path, name), "rb") as file:
                return file.read()

        return cls(names, read)

    @classmethod
    def of_zip(cls, path):
        """The files of a zip."""
        archive = zipfile.ZipFile(path)
        return cls(archive.namelist(), archive.read)

    @classmethod
    def of_tree(cls, tree):
        """The application in an archive to be (writer.Tree)."""
        names = [name.removeprefix("app/") for name in tree.members if name.startswith("app/")]
        return cls(names, lambda name: tree.members["app/" + name].content())

    def file(self, module):
        """The file that a module is imported from; None when there is none."""
        path = module.replace(".", "/")
        return next((name for name in (f"{path}/__init__.py", f"{path}.py") if name in self.names), None)

    def syntax(self, module):
        """The syntax tree of a module; None when there is no such module, or nothing that can be parsed."""
        if module not in self._trees:
            name = self.file(module)
            self._trees[module] = analysis.parse(self.read(name)) if name else None
        return self._trees[module]

    def top_modules(self):
        """The modules and packages at the top, which is what Python can import by their name."""
        names = {name.removesuffix("/__init__.py").removesuffix(".py") for name in self.names if name.endswith(".py")}
        return sorted(name for name in names if name.isidentifier())

    def broken(self):
        """The files of the well-known modules that cannot be parsed."""
        return [self.file(module) for module in MODULES if self.file(module) and self.syntax(module) is None]


# --- One module ---


def named(tree):
    """[the name that an application usually has] where the module defines one."""
    names = analysis.top_level_names(tree) or ()
    return [name for name in NAMES if name in names][:1]


def instances(tree, interface="auto"):
    """The names of the frameworks' instances that a module makes at its top level."""
    local = {name for module, kind, theirs in FRAMEWORKS if interface in ("auto", theirs)
             for name in _imported_as(tree, module, kind)}
    return [name for node in reversed(list(analysis.top_level(tree.body))) if _is_call_of(node, local)
            for name in analysis.assigned(node) if not name.startswith("_")]


def factories(tree):
    """["create_app()"], or the like, where the module has such a function, which needs no arguments."""
    names = analysis.top_level_names(tree) or set()
    needy = {node.name for node in analysis.top_level(tree.body)
             if isinstance(node, analysis.FUNCTIONS) and _needs_arguments(node.args)}
    return [name + "()" for name in FACTORIES if name in names - needy][:1]


def _imported_as(tree, module, name):
    """The expressions, as source, that module.name has in a module: {"Flask"}, {"flask.Flask"}, {"F"}."""
    found = set()
    for node in analysis.top_level(tree.body):
        if isinstance(node, ast.ImportFrom) and node.module == module and not node.level:
            found.update(alias.asname or name for alias in node.names if alias.name == name)
        elif isinstance(node, ast.Import):
            found.update(f"{alias.asname or module}.{name}" for alias in node.names if alias.name == module)
    return found


def _is_call_of(node, names):
    value = getattr(node, "value", None)
    if not isinstance(node, (ast.Assign, ast.AnnAssign)) or not isinstance(value, ast.Call):
        return False
    return ast.unparse(value.func) in names


def _needs_arguments(arguments):
    positional = len(arguments.posonlyargs) + len(arguments.args)
    return positional > len(arguments.defaults) or None in arguments.kw_defaults


def attribute(tree, interface="auto"):
    """What of a module is the application ("server", "create_app()"), or None; for one that has none of NAMES."""
    for rule in (named, functools.partial(instances, interface=interface), factories):
        found = rule(tree)
        if found:
            return _only(found)
    return None


# --- All of them ---


def find(sources, factory=False, interface="auto"):
    """The target ("shop:app", "shop:create_app()"). factory: only factories count. interface: as the option.

    Raises NotFound.
    """
    modules = sorted(MODULES, key=lambda name: name != "asgi") if interface == "asgi" else MODULES
    made = functools.partial(instances, interface=interface)
    top = [module for module in modules if sources.file(module)]
    if len(sources.names) == 1:
        top = sources.top_modules()
    packages = [module for module in sources.top_modules() if f"{module}/__init__.py" in sources.names]
    found = _project(sources, factory)
    if not found and not factory:
        found = (_first(sources, top, named) or _first(sources, top, made) or _django(sources, interface)
                 or _in_packages(sources, packages, modules, named) or _in_packages(sources, packages, modules, made))
    found = found or _first(sources, top, factories) or _in_packages(sources, packages, modules, factories)
    if found:
        return _only(found)
    broken = "".join(f" ({name} cannot be parsed)" for name in sources.broken())
    what = "" if factory else f"{' or '.join(NAMES)}, an instance of Flask or the like, "
    raise NotFound(f"no application found: none of {', '.join(name + '.py' for name in MODULES)} defines "
                   f"{what}{' or '.join(FACTORIES)}{broken}")


def _only(found):
    found = list(dict.fromkeys(found))
    if len(found) > 1:
        raise NotFound(f"several applications found, none with a better claim: {', '.join(found)}")
    return found[0]


def _first(sources, modules, rule):
    """The targets in the first of these modules that has any."""
    for module in modules:
        tree = sources.syntax(module)
        found = rule(tree) if tree is not None else []
        if found:
            return [f"{module}:{name}" for name in found]
    return []


def _in_packages(sources, packages, modules, rule):
    """The targets of all packages; within each its well-known modules come before itself."""
    return [target for package in packages
            for target in _first(sources, [f"{package}.{name}" for name in modules] + [package], rule)]


def _project(sources, factory):
    """What pyproject.toml says."""
    if "pyproject.toml" not in sources.names:
        return []
    try:
        tables = tomllib.loads(sources.read("pyproject.toml").decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise NotFound(f"pyproject.toml: not valid TOML: {error}") from None
    tool = tables.get("tool", {})
    settings = tool.get("limpet", {}) if isinstance(tool, dict) else {}
    app = settings.get("app") if isinstance(settings, dict) else None
    if not app:
        return []
    if not isinstance(app, str):
        raise NotFound(f"pyproject.toml: app = {app!r} is no text")
    if (factory or settings.get("factory") is True) and ":" in app and not app.endswith("()"):
        app += "()"
    return [app]


# --- Django ---


def settings_modules(tree):
    """The settings modules that a manage.py names, in os.environ.setdefault(...) or os.environ[...] = ..."""
    found = []
    for node in ast.walk(tree):
        value = None
        if isinstance(node, ast.Call) and getattr(node.func, "attr", None) == "setdefault" and len(node.args) == 2:
            key, value = node.args
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            key, value = node.targets[0].slice, node.value
        if (isinstance(value, ast.Constant) and isinstance(value.value, str)
                and isinstance(key, ast.Constant) and key.value == SETTINGS_VARIABLE):
            found.append(value.value)
    return list(dict.fromkeys(found))


def _django(sources, interface):
    tree = sources.syntax("manage")
    name = "asgi" if interface == "asgi" else "wsgi"
    return [_django_target(sources, module, name) for module in settings_modules(tree)] if tree is not None else []


def _django_target(sources, settings, name):
    """The application of the wsgi.py (asgi.py) beside the settings, or further up: shop.settings.live has shop/wsgi.py."""
    package = settings.rpartition(".")[0]
    factory = f"django.core.{name}:get_{name}_application()"
    while package:
        tree = sources.syntax(f"{package}.{name}")
        if tree is not None:
            names = analysis.top_level_names(tree)
            return f"{package}.{name}:{next(iter(named(tree)), 'application')}" if names != set() else factory
        package = package.rpartition(".")[0]
    return factory
