"""How an application wants to be called, told by looking at it, without calling it.

    wsgi    application(environ, start_response)                (PEP 3333)
    asgi    await application(scope, receive, send)             (ASGI 3)
    asgi2   await application(scope)(receive, send)             (ASGI 2)
    rsgi    await application(scope, protocol), or what its attribute __rsgi__ is

An asynchronous function of three arguments is ASGI 3, one of two RSGI. A plain one of two is WSGI; of three, ASGI 3, since
it can only return what is awaited; of one that is called scope, ASGI 2. Partial functions, bound methods and objects with
__call__ are what they stand for, and what functools.wraps has wrapped helps where a wrapper takes any arguments.
"""

import functools
import inspect

_TITLES = {"wsgi": "WSGI", "asgi": "ASGI", "asgi2": "ASGI 2", "rsgi": "RSGI"}

# Applications of frameworks that may have compiled or wrapped what would tell: "module:class" of a type or its base.
_FRAMEWORKS = {
    "django.core.handlers.asgi:ASGIHandler",
    "starlette.applications:Starlette",
    "quart.app:Quart",
    "litestar.app:Litestar",
    "falcon.asgi.app:App",
    "sanic.app:Sanic",
    "blacksheep.server.application:Application",
}
# Applications that only their own server can run.
_OTHERS = {"aiohttp.web_app:Application": "aiohttp's own server", "tornado.web:Application": "Tornado's own server"}


class InterfaceError(Exception):
    """The application cannot be called so, or nobody can tell how; the text goes on behind its name.

    ways_out: which of "wsgi", "asgi" and "rsgi" the operator could ask for instead.
    """

    def __init__(self, text, *ways_out):
        super().__init__(text)
        self.ways_out = ways_out


def choose(application, wanted):
    """How to call an application: "wsgi", "asgi", "asgi2" or "rsgi".

    application: any callable. wanted: "auto", "wsgi", "asgi" (3 or 2) or "rsgi".
    Raises InterfaceError.
    """
    own = _known(application, _OTHERS)
    if own:
        raise InterfaceError(f"is an application for {_OTHERS[own]}, and neither WSGI nor ASGI nor RSGI")
    if wanted in ("auto", "rsgi") and hasattr(application, "__rsgi__"):
        return "rsgi"
    possible = _possible(application)
    if not possible:
        raise _none(application)
    if wanted == "auto":
        return _only(_likely(application, possible), application)
    if wanted == "asgi" and "asgi" not in possible and "asgi2" in possible:
        return "asgi2"
    if wanted not in possible:
        likely = next(iter(_likely(application, possible)), None)
        if likely is None:
            raise _none(application)
        raise InterfaceError(f"is {_application(likely)}, not {_TITLES[wanted]}", likely.removesuffix("2"))
    return wanted


def callable_of(application, interface):
    """What is called."""
    return getattr(application, "__rsgi__", application) if interface == "rsgi" else application


def _application(interface):
    return f"{'a' if interface == 'wsgi' else 'an'} {_TITLES[interface]} application"


def _only(likely, application):
    if not likely:
        raise _none(application)
    if len(likely) > 1:
        raise InterfaceError(f"can be called as {' and as '.join(_TITLES[name] for name in likely)}", *likely)
    return likely[0]


def _none(application):
    """What is wrong with an application that is of no interface, to be raised."""
    if inspect.isasyncgenfunction(application):
        return InterfaceError("is an asynchronous generator, which no interface has")
    call = _Call(application)
    if call.takes(0):
        return InterfaceError("takes no arguments; if it makes the application, give --factory")
    if call.asynchronous:
        return InterfaceError("does not take the arguments of an asynchronous application: scope, receive and send "
                              "(ASGI), or scope and protocol (RSGI)")
    text = "cannot be called with the two arguments of WSGI, environ and start_response"
    return InterfaceError(f"{text}, but as ASGI 2", "asgi") if call.takes(1) else InterfaceError(text)


# --- What it can be ---


class _Call:
    """What is known of a callable."""

    def __init__(self, function):
        self.asynchronous = _is_asynchronous(function)
        try:
            self.signature = inspect.signature(function, follow_wrapped=False)
        except (TypeError, ValueError):
            self.signature = None  # nobody knows

    def takes(self, count):
        """Whether it can be called with so many arguments; True where nobody knows."""
        if self.signature is None:
            return True
        try:
            self.signature.bind(*[None] * count)
        except TypeError:
            return False
        return True

    def first_name(self):
        """The name of its first parameter."""
        return next(iter(self.signature.parameters), None) if self.signature is not None else None


def _is_asynchronous(function):
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or (
        not isinstance(function, type) and inspect.iscoroutinefunction(getattr(type(function), "__call__", None)))


def _known(application, names):
    """The first of a type and its bases that is among these; None: none is."""
    kind = application if isinstance(application, type) else type(application)
    return next((name for name in (f"{base.__module__}:{base.__qualname__}" for base in kind.__mro__) if name in names), None)


def _possible(application):
    """All that it can be."""
    if isinstance(application, type):
        return _possible_of_class(application)
    if _known(application, _FRAMEWORKS):
        return ["asgi"]
    if inspect.isasyncgenfunction(application):
        return []
    call = _Call(application)
    rules = {"asgi": 3, "rsgi": 2} if call.asynchronous else {"wsgi": 2, "asgi": 3, "asgi2": 1, "rsgi": 2}
    return [interface for interface, count in rules.items() if call.takes(count)]


def _possible_of_class(kind):
    """By what instances are: each is made for one request."""
    call = _Call(kind)
    methods = {name: getattr(kind, name) for name in ("__await__", "__call__", "__iter__")
               if any(name in vars(base) for base in kind.__mro__)}
    if "__await__" in methods:
        return [interface for interface, count in {"asgi": 3, "rsgi": 2}.items() if call.takes(count)]
    if "__call__" in methods and call.takes(1) and not ("__iter__" in methods and call.takes(2)):
        return ["asgi2"]
    return ["wsgi"] if call.takes(2) else []


def _likely(application, possible):
    """What it is, for all that can be seen; several only where nothing tells them apart."""
    if isinstance(application, type) or _known(application, _FRAMEWORKS):
        return possible
    inner = _Call(inspect.unwrap(application))
    if _is_asynchronous(application) or inner.asynchronous:
        # A wrapper takes what it wraps; one of any arguments says nothing.
        found = [name for name, count in {"asgi": 3, "rsgi": 2}.items()
                 if name in possible and inner.takes(count) and not inner.takes(count - 1)]
        if found == ["rsgi"] and "wsgi" in possible:
            return ["wsgi", "rsgi"]
        return found or (possible if len(possible) > 1 else [])
    if "wsgi" in possible:
        return ["wsgi"]
    if "asgi" in possible:
        return ["asgi"]
    return ["asgi2"] if _Call(application).first_name() == "scope" else []
