"""What sources say, by their syntax alone, without being run: the names a module defines, and which native extension
modules are imported so that their absence is survived."""

import ast
import collections
import warnings

from limpet.writer import shown

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
IMPORT_FAILURES = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}

# One import of one module: the member that has it, whether its failure is caught, whether it runs when the
# importing module is loaded.
Import = collections.namedtuple("Import", "module guarded at_load")


def parse(source):
    """The syntax tree of a source; None when it has none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


class Modules:
    """The modules among an archive's members, by the name they are imported by."""

    def __init__(self, tree):
        self.tree = tree
        self.members = {}  # "markupsafe" -> "site/markupsafe/__init__.py"
        self.imports = None  # found when first asked for: name of a module -> list of Import
        for root in ("site/", "app/"):  # the application's come first on sys.path: they win
            for name in tree.members:
                if name.startswith(root) and name.endswith(".py"):
                    dotted = name[len(root):-3].replace("/", ".")
                    self.members[dotted.removesuffix(".__init__")] = name

    def parsed(self, module):
        """The syntax tree of a module; None when there is none."""
        return parse(self.tree.members[self.members[module]].content())

    def is_package(self, module):
        """Whether the module is a package's __init__.py."""
        return self.members[module].endswith("/__init__.py")

    def importers(self, module):
        """All imports of a module in all sources, as a list of Import."""
        if self.imports is None:
            self.imports = collections.defaultdict(list)
            for importer in self.members:
                for name, found in find_imports(self, importer):
                    self.imports[name].append(found)
        return self.imports.get(module, [])


# --- Names ---


def top_level_names(tree):
    """The names that a module defines at its top level. None when that cannot be told by looking."""
    names = set()
    for node in top_level(tree.body):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            return None
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, FUNCTIONS + (ast.ClassDef,)):
            names.add(node.name)
        else:
            names.update(assigned(node))
    return None if "__getattr__" in names else names


def top_level(body):
    """The statements that run when a module is loaded: also those in if, try, with, for, while and match."""
    pending = list(body)
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, FUNCTIONS + (ast.ClassDef,)):
            pending += _inner(node)


def _inner(node, fields=("body", "orelse", "finalbody", "handlers", "cases")):
    """The statements (and except and case clauses) right below a statement."""
    for field in fields:
        yield from getattr(node, field, ())


def assigned(node):
    """The names that a statement assigns to."""
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        targets = [node.target]
    elif isinstance(node, (ast.With, ast.AsyncWith)):
        targets = [item.optional_vars for item in node.items if item.optional_vars]
    else:
        targets = []
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.NamedExpr):
        targets = [node.value.target]
    return [name.id for target in targets for name in ast.walk(target)
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)]


# --- Imports that may fail ---


def find_imports(modules, module):
    """Yield (name, Import) for every module that a source imports; of a dotted one also its packages.

    Only statements are visited, and by a list of what is left to do: expressions can be nested deeper than we
    may recurse.
    """
    tree = modules.parsed(module)
    pending = [(tree, False, True)] if tree is not None else []
    caught = _Caught(tree)
    while pending:
        node, guarded, at_load = pending.pop()
        for name in dict.fromkeys(_imported(modules, module, node)):
            yield name, Import(module, guarded, at_load)
        if isinstance(node, FUNCTIONS):
            guarded, at_load = False, False
        if not _is_type_checking(node):
            guarded_body = guarded or caught.guards_body(node)
            pending += [(inner, guarded_body, at_load) for inner in _inner(node, ("body",))]
        others = _inner(node, ("orelse", "finalbody", "handlers", "cases"))
        pending += [(inner, guarded, at_load) for inner in others]


def _imported(modules, module, node):
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield from _with_parents(alias.name)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            parts = module.split(".")
            parts = parts[: len(parts) - node.level + modules.is_package(module)]
            base = ".".join([*parts, base] if base else parts)
        yield from _with_parents(base)
        yield from (f"{base}.{alias.name}" for alias in node.names)


def _is_type_checking(node):
    test = getattr(node, "test", None)
    return isinstance(node, ast.If) and "TYPE_CHECKING" in (getattr(test, "id", None), getattr(test, "attr", None))


def _with_parents(name):
    parts = name.split(".") if name else []
    return [".".join(parts[: end + 1]) for end in range(len(parts))]


class _Caught:
    """Tells of the statements of a module's syntax tree whether they catch a failed import."""

    def __init__(self, tree):
        self._tree = tree
        self._values = None  # found when first asked for: a name -> what is assigned to it anywhere in the module

    def guards_body(self, node):
        """Whether a failed import in the statement's body is survived."""
        if isinstance(node, (ast.Try, ast.TryStar)):
            return any(map(self._survives, node.handlers))
        return isinstance(node, ast.With) and any(self._suppresses(item.context_expr) for item in node.items)

    def _survives(self, handler):
        """Whether an except clause catches a failed import and does not end in another exception."""
        return self._catches(handler.type) and not any(isinstance(node, ast.Raise) for node in handler.body)

    def _suppresses(self, expression):
        if not isinstance(expression, ast.Call):
            return False
        name = getattr(expression.func, "id", getattr(expression.func, "attr", None))
        return name == "suppress" and any(map(self._catches, expression.args))

    def _catches(self, kind):
        if isinstance(kind, ast.Name) and kind.id not in IMPORT_FAILURES:
            return any(map(_is_import_failure, self._assigned(kind.id)))
        return kind is None or _is_import_failure(kind)

    def _assigned(self, name):
        if self._values is None:
            self._values = collections.defaultdict(list)
            for node in ast.walk(self._tree):
                for target in node.targets if isinstance(node, ast.Assign) else ():
                    if isinstance(target, ast.Name):
                        self._values[target.id].append(node.value)
        return self._values.get(name, [])


def _is_import_failure(kind):
    """Whether an expression for exceptions has one of a failed import, in any of its cases."""
    pending = [kind]
    while pending:
        kind = pending.pop()
        if isinstance(kind, ast.Tuple):
            pending += kind.elts
        elif isinstance(kind, ast.IfExp):
            pending += kind.body, kind.orelse
        elif getattr(kind, "id", getattr(kind, "attr", None)) in IMPORT_FAILURES:
            return True
    return False


def native_module(member):
    """The name that a native extension module is imported by; None for a library that is no module."""
    parts = member.split("/")[1:]
    parts[-1] = parts[-1].partition(".")[0]
    return ".".join(parts) if all(part.isidentifier() for part in parts) else None


def _place(modules, module):
    """The file of a module as its author knows it."""
    return shown(modules.members[module].partition("/")[2])


def without_native(modules, member):
    """What becomes of a program that lacks the native extension module: (whether it is survived, text)."""
    module = native_module(member)
    if module is None:
        return False, "a native library: whatever loads it will fail"
    if module in modules.members:
        return True, f"fallback: pure Python ({_place(modules, module)} takes its place)"
    if not modules.importers(module):
        return False, f"nothing packed imports {module} by name; importing it will fail"
    guards = _guards(modules, module, set())
    if guards is None:
        return False, f"no fallback found: importing {module} will fail"
    where = ", ".join(_place(modules, guard) for guard in guards[:2])
    more = f" and {len(guards) - 2} more" if len(guards) > 2 else ""
    verb = "imports it guarded" if len(guards) == 1 else "import it guarded"
    return True, f"fallback: pure Python ({where}{more} {verb})"


def _guards(modules, module, seen):
    """The modules that catch the failure to import this one; None when it reaches one that nothing guards.

    A module that fails to load for want of another is missing as much as that one: its own importers count. One
    of a package that nobody imports harms nobody.
    """
    guards = []
    seen.add(module)
    for found in modules.importers(module):
        if found.guarded:
            guards.append(found.module)
        elif not found.at_load:
            return None
        elif found.module not in seen and modules.importers(found.module):
            further = _guards(modules, found.module, seen)
            if further is None:
                return None
            guards += further
        elif modules.members[found.module].startswith("app/"):
            return None
    return list(dict.fromkeys(guards)) or None
