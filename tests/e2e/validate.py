"""Serving an application through wsgiref.validate: what is served is a module that loads the application by limpet's
own rules and wraps it."""

import re
import shutil
import zipfile

MODULE = "wsgi_validated"
SOURCE = '''
import wsgiref.validate
from limpet import loader


class Input(wsgiref.validate.InputWrapper):
    """read() without a size is not in PEP 3333, but frameworks call it where there is wsgi.input_terminated."""

    def read(self, size=-1):
        return super().read(size)


wsgiref.validate.InputWrapper = Input
app = wsgiref.validate.validator(loader.load({target!r}, "auto", {factory!r})[0])
'''
# What the validator says: by an exception of its own, in a traceback that anybody logged; by a warning; by text.
VIOLATIONS = re.compile(r'wsgiref\W+validate.*, in (?:assert_|check_string_type)$|WSGIWarning|'
                        r"Iterator garbage collected", re.MULTILINE)


def served(arguments, folder):
    """The arguments of "limpet serve", with a module of that new folder in place of the target, which comes first."""
    target, *options = map(str, arguments)
    factory = "--factory" in options and "--no-factory" not in options
    folder.mkdir()
    (folder / f"{MODULE}.py").write_text(SOURCE.format(target=target, factory=factory))
    return [f"{folder}/{MODULE}.py:app", *(word for word in options if word not in ("--factory", "--no-factory"))]


def packed(binary, source, options, folder):
    """Source and options of "limpet pack" that wrap what was packed as binary. folder: a new one, for a copy of the
    source."""
    with zipfile.ZipFile(binary) as archive:
        settings = dict(line.split(" = ", 1) for line in archive.read("limpet/settings").decode().splitlines())
    if source.is_dir():
        shutil.copytree(source, folder)
    else:
        folder.mkdir()
        shutil.copy(source, folder)
    (folder / f"{MODULE}.py").write_text(SOURCE.format(target=settings["target"], factory=False))
    options = list(options)
    if "--app" in options:
        del options[options.index("--app"):options.index("--app") + 2]
    return folder, [*options, "--app", f"{MODULE}:app"]
