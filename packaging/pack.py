"""limpet pack: this executable with an application in its archive (FORMAT.md) is the appliance.

    SRC --output OUT [--app MODULE[:ATTR]] [--factory] [--with FOLDER]... [--requirements FILE] [--collect-static]
        [--base FILE] [--ca-bundle FILE] [--tzdata FOLDER] [--settings TEXT]

The command line was checked by then: it is limpet's own, not the operator's. --settings are the options to
be packed in, as "key = value" lines.
"""

import argparse
import errno
import os
import re
import subprocess
import sys
import tempfile

from limpet import analysis, basis, collect, discovery, interruption, machine, renewal, static_files, writer
from limpet.writer import FormatError, shown

SETTINGS, LEFT_OUT, PARTS = "limpet/settings", "limpet/left-out", "limpet/parts"
# What an appliance takes over from the executable that packs it. pip is of no use in it.
KEPT = re.compile(r"limpet/licences/.*|lib/(?!pip/|pip-[^/]*\.dist-info/).*", re.DOTALL)
# Told by each installer in its own way, and read by nobody at run time: the first one stays.
BOOKKEEPING = re.compile(r"site/[^/]*\.dist-info/(RECORD|INSTALLER|REQUESTED|direct_url\.json)")
MODULE = re.compile(r"\w+(\.\w+)*")


class PackError(Exception):
    """What keeps us from packing, in one line for the operator."""


def main(arguments):
    """Pack. The exit status; the report is on standard output, an error on standard error."""
    options = parse_arguments(arguments)
    interruption.watch()
    try:
        pack(options)
    except interruption.Interrupted as stop:
        print("limpet pack: interrupted", file=sys.stderr)
        interruption.end(stop.number)
        return 1
    except static_files.StaticError as error:
        print(f"limpet pack: --collect-static: {error}", file=sys.stderr)
        return 1
    except (PackError, FormatError, basis.BasisError, renewal.RenewalError) as error:
        print(f"limpet pack: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        where = f"{shown(os.fsdecode(error.filename))}: " if error.filename else ""
        print(f"limpet pack: {where}{error.strerror or error}{way_out(error)}", file=sys.stderr)
        return 1
    return 0


def way_out(error):
    """What to do about an error of the system, as the end of its line; mostly there is nothing to say."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return ""
    folder = os.path.dirname(os.fsdecode(error.filename)) if error.filename else ""
    disk = os.statvfs(folder or ".")
    return (f" ({size_text(disk.f_bavail * disk.f_frsize)} are free; a file that is to be replaced stays until the new "
            "one is complete, and is as it was)")


def parse_arguments(arguments):
    """The command line as a namespace."""
    parser = argparse.ArgumentParser(prog="limpet pack", allow_abbrev=False)
    parser.add_argument("source", metavar="SRC")
    parser.add_argument("--output", required=True)
    parser.add_argument("--app")
    parser.add_argument("--factory", action="store_true")
    parser.add_argument("--with", action="append", default=[], dest="folders")
    parser.add_argument("--requirements")
    parser.add_argument("--collect-static", action="store_true")
    parser.add_argument("--base")
    parser.add_argument("--ca-bundle")
    parser.add_argument("--tzdata")
    parser.add_argument("--settings", default="")
    return parser.parse_args(arguments)


def pack(options):
    """Pack as the options say, and print the report."""
    split_source(options)
    check_output(options)
    here = basis.own()
    base = basis.named(options.base, here) if options.base else here
    tree = writer.Tree()
    report = []
    keep(tree, base, options, report)
    natives = add_source(tree, options, report)
    for folder in options.folders:
        natives += add_packages(tree, folder, options, report)
    if options.requirements:
        natives += add_requirements(tree, here.members, options, report)
        if base.foreign:
            report.append(f"note: pip has chosen the packages for this machine ({machine.name(here.executable)}), not for "
                          f"{base.target}: it matters for those that list others for some machines only")
    tree.check()
    count = sum(name.startswith(("app/", "site/")) for name in tree.members)
    modules = analysis.Modules(tree)
    target = choose_target(modules, options, report)
    leave_out_natives(tree, modules, natives, base.target, report)
    look_for_roots(tree, report)
    compile_all(tree, report)
    settings = options.settings.splitlines()
    if options.collect_static:
        application = target, interface_of(options), options.factory
        settings += static_files.add(tree, here.executable, application, settings, report)
        count = sum(name.startswith(("app/", "site/")) and "/__pycache__/" not in name for name in tree.members)
    tree.add(SETTINGS, settings_text(target, settings).encode(), SETTINGS)
    writer.write(options.output, base.executable, tree.members.values())
    for line in report:
        print(line)
    print(summary(tree, count, base.target, options))


def keep(tree, base, options, report):
    """Add what the base carries, with what is to take the place of some of it."""
    for name, member in base.members.items():
        if KEPT.fullmatch(name):
            tree.keep(member)
    parts = parts_text(base.members[PARTS].content()) if PARTS in base.members else b""
    parts = renewal.renew(tree, parts, options.ca_bundle, options.tzdata, report)
    if parts:
        tree.add(PARTS, parts, PARTS)


def parts_text(lines):
    """The list of parts, "name version licence" lines, without pip."""
    return b"".join(line for line in lines.splitlines(keepends=True) if not line.startswith(b"pip "))


def settings_text(target, settings):
    """The packed settings: what to serve, and the lines given."""
    lines = [f"target = {target}", *settings]
    return "".join(line + "\n" for line in lines if line)


def summary(tree, count, target, options):
    """The last line of the report. target: the machine of --base, or None."""
    name = os.path.basename(os.path.realpath(options.source)).removesuffix(".py")
    size = sum(len(member.stored) for name, member in tree.members.items() if name.startswith(("app/", "site/")))
    return (f"packed {shown(name)}: {count} file{'s' * (count != 1)}, {size_text(size)} application, "
            f"{size_text(os.stat(options.output).st_size)} in all{f', for {target}' if target else ''} -> "
            f"{shown(options.output)}")


def size_text(size):
    """Bytes for people."""
    for unit, least in (("MB", 1_000_000), ("kB", 1_000)):
        if size >= least:
            return f"{size / least:.1f} {unit}"
    return f"{size} bytes"


# --- Input ---


def split_source(options):
    """Take FILE.py:ATTR for FILE.py with --app FILE:ATTR."""
    path, colon, attribute = options.source.rpartition(":")
    if colon and path.endswith(".py") and not os.path.exists(options.source):
        if options.app:
            raise PackError(f"{shown(options.source)}: says what to serve, and so does --app {shown(options.app)}")
        options.source = path
        options.app = f"{os.path.basename(path)[:-3]}:{attribute}"


def check_output(options):
    """Refuse an output that could not be written, before the work, or that is not to be overwritten."""
    output = options.output
    folder = os.path.dirname(output) or "."
    if not os.path.isdir(folder):
        raise PackError(f"{shown(output)}: there is no folder {shown(folder)}")
    if os.path.isdir(output):
        raise PackError(f"{shown(output)}: is a folder: name the file to write")
    if os.path.exists(output) and not os.path.isfile(output):
        raise PackError(f"{shown(output)}: is no regular file")
    for path, what in ((options.source, "the source"), (options.base, "--base"), (options.ca_bundle, "--ca-bundle")):
        if path and os.path.isfile(path) and os.path.exists(output) and os.path.samefile(path, output):
            raise PackError(f"{shown(output)}: would overwrite {what}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PackError(f"{shown(output)}: nothing may be written into {shown(folder)} (no permission, or it is read-only)")


def add_folder(tree, root, folder, options, report):
    """Add the files of a folder below root ("app/"). Returns the names of its native modules as members."""
    found = collect.Walk(folder, skip=written_files(options.output))
    for name, path, content in found.read():
        if BOOKKEEPING.fullmatch(root + name) and root + name in tree.members:
            continue
        tree.add(root + name, content, path)
    report += found.notes
    return [root + name for name, _ in found.native]


def written_files(output):
    """The real paths of what packing writes."""
    real = os.path.realpath(output)
    return real, real + writer.TEMPORARY


def add_source(tree, options, report):
    """Add the application under app/."""
    source = options.source
    if not os.path.exists(source):
        raise PackError(f"{shown(source)}: no such file or folder")
    if os.path.isdir(source):
        natives = add_folder(tree, "app/", source, options, report)
        if not any(name.startswith("app/") for name in tree.members):
            raise PackError(f"{shown(source)}: there is nothing in it to pack")
        if "app/__init__.py" in tree.members:
            report.append(f"warning: {shown(source)} is a package itself: its modules are packed as top-level "
                          "ones; pack the folder above to import it by its name")
        return natives
    if not source.endswith(".py") or not os.path.isfile(source):
        raise PackError(f"{shown(source)}: neither a folder nor a .py file")
    with open(source, "rb") as file:
        tree.add("app/" + os.path.basename(source), file.read(), source)
    return []


def add_packages(tree, folder, options, report):
    """Add a folder of installed packages under site/."""
    if not os.path.isdir(folder):
        raise PackError(f"--with {shown(folder)}: no such folder")
    if os.path.exists(os.path.join(folder, collect.VIRTUAL_ENVIRONMENT)):
        raise PackError(f"--with {shown(folder)}: is a virtual environment; give its "
                        "lib/python3.14/site-packages")
    return add_folder(tree, "site/", folder, options, report)


def add_requirements(tree, own, options, report):
    """Have pip install a list of packages, and add them under site/."""
    if not os.path.isfile(options.requirements):
        raise PackError(f"--requirements {shown(options.requirements)}: no such file")
    if "lib/pip/__init__.py" not in own:
        raise PackError("--requirements: there is no pip in this binary, as in every appliance: pack with "
                        "limpet itself")
    with tempfile.TemporaryDirectory(prefix="limpet-pack-") as folder:
        target = os.path.join(folder, "site")
        install(options.requirements, target, folder)
        forget_scripts(target)
        return add_packages(tree, target, options, report)


def install(requirements, target, scratch):
    """Run pip, with its temporary files in scratch: they go with it. Its own last error line is ours."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--no-color",
               "install", "--no-compile", "--no-warn-script-location", "--target", target, "-r", requirements]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, encoding="utf-8", errors="replace",
                          env={**os.environ, "TMPDIR": scratch})
    os.makedirs(target, exist_ok=True)  # an empty list installs nothing
    if done.returncode == 0:
        return
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
    reason = (errors or lines or [f"it ended with status {done.returncode}"])[-1]
    hint = ""
    if "ssl module in Python is not available" in done.stdout:
        hint = (" (this pip has no TLS: run another one, pip install --target FOLDER -r "
                f"{shown(requirements)}, and pack --with FOLDER)")
    raise PackError(f"--requirements {shown(requirements)}: pip: {shown(reason)}{hint}")


def forget_scripts(target):
    """Remove command line scripts: nothing can run them, and they name the path of this executable."""
    scripts = os.path.join(target, "bin")
    if not os.path.isdir(scripts):
        return
    for name in os.listdir(scripts):
        os.unlink(os.path.join(scripts, name))
    os.rmdir(scripts)
    for name in os.listdir(target):
        record = os.path.join(target, name, "RECORD")
        if name.endswith(".dist-info") and os.path.isfile(record):
            with open(record, encoding="utf-8", newline="") as file:
                lines = [line for line in file if not line.startswith("../")]
            with open(record, "w", encoding="utf-8", newline="") as file:
                file.writelines(lines)


# --- What becomes of it ---


def leave_out_natives(tree, modules, natives, target, report):
    """Report the native extension modules, which a static executable cannot load, on whichever machine, and keep the
    list. target: the machine of --base, or None."""
    extension = f"native extension for {target}" if target else "native extension"
    lines = []
    for member in sorted(natives, key=os.fsencode):
        survived, text = analysis.without_native(modules, member)
        report.append(f"{'left out' if survived else 'warning'}: {extension} "
                      f"{shown(member.partition('/')[2])}: {text}")
        lines.append(f"{shown(member)}\t{text}\n")
    if lines:
        tree.add(LEFT_OUT, "".join(lines).encode(), LEFT_OUT)


def look_for_roots(tree, report):
    """Say so where requests and httpx will look for CA roots that another machine may not have: distributions take the
    bundle out of certifi."""
    for package in ("app/certifi/", "site/certifi/"):
        if package + "__init__.py" in tree.members and package + "cacert.pem" not in tree.members:
            report.append("warning: certifi is packed without its bundle: requests and httpx fail on machines that "
                          "have none at the place that it names (pack the upstream certifi)")


def compile_all(tree, report):
    """Compile every source of the application and its packages."""
    for name in sorted(tree.members):
        if name.startswith(("app/", "site/")) and name.endswith(".py"):
            reason = writer.add_compiled(tree, name)
            if reason:
                report.append(f"warning: {shown(name.partition('/')[2])} does not compile: {shown(reason)}")


def choose_target(modules, options, report):
    """What the appliance serves: --app, checked, or what is found."""
    if not options.app:
        try:
            return discovery.find(discovery.Sources.of_tree(modules.tree), options.factory, interface_of(options))
        except discovery.NotFound as error:
            raise PackError(f"{shown(options.source)}: {shown(str(error))}; say where it is: "
                            "--app MODULE:ATTR") from None
    module, _, attribute = options.app.partition(":")
    if not MODULE.fullmatch(module):
        raise PackError(f"--app {shown(options.app)}: {shown(module)} is not the name of a module")
    if module not in modules.members:
        raise PackError(f"--app {shown(options.app)}: there is no module {module} in {shown(options.source)}"
                        f"{' or the packages' if options.folders or options.requirements else ''}")
    syntax = modules.parsed(module)
    names = analysis.top_level_names(syntax) if syntax is not None else None
    wanted = {re.split(r"[.(]", attribute)[0]} if attribute else set(
        discovery.FACTORIES if options.factory else discovery.NAMES)
    if names is not None and not wanted & names and (attribute or not found_in(syntax, interface_of(options))):
        report.append(f"warning: --app {shown(options.app)}: {shown(modules.members[module])} does not seem to "
                      f"define {shown(' or '.join(sorted(wanted)))}")
    return options.app


def interface_of(options):
    """What --interface says, or "auto"."""
    settings = dict(line.split(" = ", 1) for line in options.settings.splitlines())
    return settings.get("interface", "auto")


def found_in(syntax, interface):
    """Whether a module that is named alone has something to serve; several have to be told apart."""
    try:
        return discovery.attribute(syntax, interface) is not None
    except discovery.NotFound:
        return False
