"""What runs inside of a packed application for limpet pack --collect-static: asks its framework for static files.

main() gets a question as JSON, {"target", "interface", "factory", "output", "elsewhere"}, and leaves found.json in the
folder output: {"framework", "routes", "notes"} or {"error"}. A route is {"prefix", "folder", "files"}: the path that the
framework gives, the folder below app/ in the archive, and the folder in output that has its files (None: they are packed).
"""

import json
import os
import shutil
import sys
import urllib.parse

import _limpet

_APP = _limpet.archive_root() + "/app/"


class ProbeError(Exception):
    """Why nothing can be collected, in one line for the operator."""


def main():
    """Answer the question on the command line. The process ends with it, whatever threads the application has started."""
    status = 1
    try:
        write_answer(json.loads(sys.argv[1]))
        status = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        end(status)


def write_answer(question):
    """Leave found.json."""
    try:
        found = answer(question)
    except ProbeError as error:
        found = {"error": str(error)}
    with open(os.path.join(question["output"], "found.json"), "w", encoding="utf-8") as file:
        json.dump(found, file)


def end(status):
    """Not as Python ends, which waits for threads that are no daemons."""
    for stream in sys.stdout, sys.stderr:
        try:
            stream.flush()
        except Exception:  # the application has closed it, or has put its own in its place
            pass
    os._exit(status)


def answer(question):
    """The content of found.json. Raises ProbeError."""
    application, module = load(question)
    app = flask_application(application, module)
    if app is not None:
        return of_flask(app, question)
    if is_django():
        return of_django(question)
    raise ProbeError(f"{question['target']} is neither Django's application nor Flask's: name its folders by "
                     "--static PREFIX=FOLDER")


def load(question):
    """The application, and the module that the target names."""
    from limpet import loader

    try:
        _, application, _, _ = loader.load(question["target"], question["interface"], question["factory"])
    except loader.LoadError as error:
        raise ProbeError(str(error)) from None
    except BaseException as error:
        loader.strip_own_frames(error)
        raise ProbeError(failed("the application cannot be loaded to ask it", error)) from None
    return application, sys.modules.get(question["target"].partition(":")[0])


def failed(what, error):
    """The text of a ProbeError for what the application or its framework has raised; the traceback is printed."""
    import traceback

    traceback.print_exception(error)
    text = str(error).strip().partition("\n")[0]
    hint = ""
    if isinstance(error, ImportError):
        hint = "; native extension modules cannot be loaded, limpet inspect lists those that were left out"
    return f"{what}: {type(error).__name__}{text and ': '}{text} (output above{hint})"


def archived(folder):
    """A folder's name below app/ where it is in this archive; None elsewhere."""
    path = os.path.abspath(folder)
    return path[len(_APP):] if path.startswith(_APP) else None


# --- Flask ---


def flask_application(application, module):
    """The Flask object: the application, or what is inside of it, or the only one of its module. None: there is none."""
    flask = sys.modules.get("flask")
    if flask is None:
        return None
    seen = application
    for _ in range(10):  # middlewares, one in another
        if isinstance(seen, flask.Flask):
            return seen
        seen = next((inner for name in ("app", "application", "wsgi_app", "__self__")
                     if (inner := getattr(seen, name, None)) is not None), None)
    made = {id(value): value for value in vars(module or flask).values() if isinstance(value, flask.Flask)}
    return next(iter(made.values())) if len(made) == 1 else None


def of_flask(app, question):
    """The static folders of the application and its blueprints, by the rules of their URLs."""
    owners = {"static": app} | {f"{name}.static": blueprint for name, blueprint in app.blueprints.items()}
    routes, notes, taken = [], [], set()
    for rule in app.url_map.iter_rules():
        owner = owners.get(rule.endpoint)
        prefix = rule.rule.removesuffix("/<path:filename>")
        if owner is None or not owner.has_static_folder or prefix == rule.rule:
            continue
        folder = owner.static_folder
        if not os.path.isdir(folder):
            if owner is not app:
                notes.append(f"{rule.endpoint}: there is no folder {archived(folder) or folder}")
        elif "<" in prefix or rule.subdomain or rule.host:
            notes.append(f"{rule.endpoint}: its URL depends on the request: left to the application")
        elif prefix == "":
            notes.append(f"{rule.endpoint}: it has the whole site: left to the application")
        elif prefix in taken:
            notes.append(f"{rule.endpoint}: {prefix} is another one's before: left to the application")
        else:
            taken.add(prefix)
            routes.append(flask_route(prefix, rule.endpoint, folder, question))
    if not routes:
        notes.append("Flask's application has no static files")
    return {"framework": "Flask", "routes": sorted(routes, key=lambda route: route["prefix"]), "notes": notes}


def flask_route(prefix, endpoint, folder, question):
    """Folders below app/ are packed as they are; what comes from elsewhere is copied."""
    name = archived(folder)
    if name is not None:
        return {"prefix": prefix, "folder": name, "files": None}
    name = endpoint.removesuffix(".static")
    files = os.path.join("files", name)
    shutil.copytree(folder, os.path.join(question["output"], files))
    return {"prefix": prefix, "folder": f"{question['elsewhere']}/{name}", "files": files}


# --- Django ---


def is_django():
    """Whether the application has configured Django."""
    conf = sys.modules.get("django.conf")
    return conf is not None and conf.settings.configured


def of_django(question):
    """What collectstatic collects, in the place of STATIC_ROOT."""
    from django.conf import settings

    prefix = django_prefix(settings)
    root = getattr(settings, "STATIC_ROOT", None)
    if not root:
        raise ProbeError("STATIC_ROOT is not set in Django's settings: give it a folder of the project, as BASE_DIR / "
                         "'staticfiles'")
    output = os.path.join(question["output"], "files")
    settings.STATIC_ROOT = output
    storage = django_storage(settings)
    folder = archived(root)
    if folder is None and hasattr(storage, "manifest_name"):
        raise ProbeError(f"STATIC_ROOT is {root}, not below the project's folder: the packed application would not find "
                         "the manifest of its static files; give it one, as BASE_DIR / 'staticfiles'")
    collect(storage, output)
    return {"framework": "Django", "notes": [],
            "routes": [{"prefix": prefix, "folder": folder or question["elsewhere"], "files": "files"}]}


def django_prefix(settings):
    """STATIC_URL as the path of a route."""
    if "django.contrib.staticfiles" not in settings.INSTALLED_APPS:
        raise ProbeError("django.contrib.staticfiles is not in INSTALLED_APPS of Django's settings")
    url = getattr(settings, "STATIC_URL", None)
    if not url:
        raise ProbeError("STATIC_URL is not set in Django's settings: give it a path, as '/static/'")
    parts = urllib.parse.urlsplit(url)
    if parts.netloc:
        raise ProbeError(f"STATIC_URL is {url}: {parts.netloc} serves the static files; bring them there, or set it to a "
                         "path")
    prefix = parts.path.rstrip("/")
    if not prefix:
        raise ProbeError(f"STATIC_URL is {url}: the whole site; give it a path of its own, as '/static/'")
    return prefix if prefix.startswith("/") else f"/{prefix}"


def django_storage(settings):
    """The storage of static files, made anew: the application may have one with another STATIC_ROOT."""
    from django.core.files import storage

    if hasattr(storage, "storages"):
        made = storage.storages.create_storage(storage.storages.backends["staticfiles"])
    else:
        made = storage.get_storage_class(settings.STATICFILES_STORAGE)()
    if not isinstance(made, storage.FileSystemStorage):
        raise ProbeError(f"the storage of Django's static files, {type(made).__name__}, keeps them elsewhere: bring them "
                         "there by collectstatic")
    return made


def collect(storage, output):
    """manage.py collectstatic."""
    from django.contrib.staticfiles.management.commands import collectstatic
    from django.core.management import call_command

    command = collectstatic.Command()
    command.storage = storage
    os.makedirs(output, exist_ok=True)
    try:
        call_command(command, interactive=False, verbosity=1)
    except BaseException as error:
        raise ProbeError(failed("collectstatic has failed", error)) from None
