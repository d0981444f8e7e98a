#!/usr/bin/python3
"""include_gate.py - who may include whom, and that every header stands on its own.

  include_gate.py [--strict] [--include FOLDER]...

FOLDERs have the headers of other projects (Python.h, microhttpd.h). A header that needs one which is
not there is not compiled: a warning, with --strict a failure.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

import source

# The appliance's layers, lowest first; a module (x.c, x.h and x_*.c, x_*.h) includes nothing of a
# higher one. A contract is a header between layers: what is behind it lies higher than itself.
LAYERS = {
    "base": {"address", "err", "check", "cleanup", "clock", "buf", "head", "hosts", "json", "kernel", "str", "log", "banned", "mask", "near", "network", "proxies", "proxy_header", "siphash",
             "text_file", "timers", "utf8",
             "version"},
    "contract": {"request.h", "reactor.h", "runtime.h", "pool.h", "tls_facts.h", "exchange.h", "local.h", "websocket.h",
                 "http_compress.h"},
    "system": {"accesslog_format", "archive", "cgroup", "compress", "config", "control", "crash", "errand", "files_route", "identity", "ipc", "jail", "limiter",
               "listener", "mount", "notify", "pid_file", "resident", "scoreboard", "sandbox", "signals", "sink", "spool", "status",
               "stats", "title", "unix_socket", "watch"},
    "protocol": {"accesslog", "files", "forwarded", "health", "http", "local_text", "metrics", "pool", "proxy_intake", "reactor", "refusals", "request",
                 "status_page", "strict", "tls", "websocket"},
    "process": {"child", "inherit", "reload", "supervisor", "upgrade", "worker"},
    "main": {"command", "commands", "main", "options"},
}

# What embed/ may see of the appliance.
OPEN_TO_EMBED = {"request.h", "runtime.h", "archive.h", "reactor.h", "mount.h", "pool.h",
                 "crash.h", "tls_facts.h", "exchange.h", "websocket.h", "scoreboard.h", "stats.h", "stats_threads.h",
                 "config_mount.h",
                 # Digests, for embed/mod_hash.c and hash_*.c.
                 "tls_hash.h",
                 # TLS of the application's own connections, for embed/mod_ssl.c and ssl_*.c.
                 "tls_ciphers.h", "tls_certificate.h", "tls_fault.h", "tls_library.h", "tls_object.h", "tls_setup.h",
                 "tls_stream.h", "tls_trust.h", "tls_verify.h"}

# Headers of other projects: who alone may include them, as patterns of paths.
RESERVED = {
    r"Python\.h": (r"embed/", ),
    r"microhttpd\.h": (r"appliance/http(_\w+)?\.c", r"appliance/http(_\w+)?_priv\.h"),
    r"mbedtls/.*|psa/.*": (r"appliance/tls(_\w+)?\.c", r"appliance/tls(_\w+)?_priv\.h",
                           r"embed/mod_(ssl|hash)\.c"),
}

GENERATED = {"version.h"}  # made by the build

_INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)


def module_of(name):
    """The module a file belongs to: archive_priv.h belongs to archive."""
    stem = pathlib.PurePath(name).stem
    modules = set().union(*LAYERS.values())
    while stem not in modules and "_" in stem:
        stem = stem.rpartition("_")[0]
    return stem


def layer_of(name):
    """(rank, layer's name) of a file of the appliance, or None when the table lacks it."""
    for rank, (layer, modules) in enumerate(LAYERS.items()):
        if name in modules:
            return rank, layer
    for rank, (layer, modules) in enumerate(LAYERS.items()):
        if module_of(name) in modules:
            return rank, layer
    return None


def includes(text):
    """(line, "<" or '"', name) of each include, comments left aside."""
    without_comments = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group()), text,
                              flags=re.DOTALL)
    for match in _INCLUDE.finditer(without_comments):
        yield without_comments.count("\n", 0, match.start(2)) + 1, match.group(1), match.group(2)


def check_reserved(path, name):
    for pattern, allowed in RESERVED.items():
        if re.fullmatch(pattern, name) and not any(re.match(a, str(path)) for a in allowed):
            return f"<{name}> belongs to {' '.join(allowed)} alone"
    return None


def check_appliance(path, name, tree):
    if name in tree["embed"] and name not in tree["appliance"]:
        if (path.name, name) == ("main.c", "embed.h"):
            return None
        return f"{name} is of embed/: only main.c may include embed.h, and nothing else"
    own, other = layer_of(path.name), layer_of(name)
    if name.endswith("_priv.h") and module_of(name) != module_of(path.name):
        return f"{name} is private to {module_of(name)}"
    if own is None:
        return f"{path.name} has no layer: add it to the table of include_gate.py"
    if other is None:
        return f"{name} has no layer: add it to the table of include_gate.py"
    if other[0] > own[0]:
        return f"{name} ({other[1]}) lies above {path.name} ({own[1]})"
    return None


def check_embed(path, name, tree):
    if name in tree["embed"] or name in OPEN_TO_EMBED:
        return None
    layer = layer_of(name)
    if layer is not None and layer[1] == "base":
        return None
    return f"{name} is not open to embed/: base headers and {' '.join(sorted(OPEN_TO_EMBED))} are"


def check_include(path, kind, name, tree):
    """What is wrong with this include, or None."""
    problem = check_reserved(path, name)
    if problem is not None or kind == "<":
        return problem
    if name.endswith(".def"):
        return None
    if name not in tree["appliance"] | tree["embed"] | GENERATED:
        return f"{name} is neither in appliance/ nor in embed/"
    check = check_appliance if path.parts[0] == "appliance" else check_embed
    return check(path, name, tree)


def check_layers():
    paths = source.files(".c", ".h", below="appliance") + source.files(".c", ".h", below="embed")
    tree = {folder: {p.name for p in paths if p.parts[0] == folder and p.suffix == ".h"}
            for folder in ("appliance", "embed")}
    problems = []
    for path in paths:
        for line, kind, name in includes(source.read(path)):
            problem = check_include(path, kind, name, tree)
            if problem is not None:
                problems.append(f"{path}:{line}: {problem}")
    return problems


def compile_alone(path, folders, scratch):
    """The compiler's complaint about a file that includes nothing but this header, or ""."""
    unit = pathlib.Path(scratch) / "alone.c"
    unit.write_text(f'#include "{source.ROOT / path}"\n', encoding="utf-8")
    command = ["gcc", "-D_GNU_SOURCE", "-std=gnu17", "-fsyntax-only", "-Iappliance", "-Iembed",
               "-Itests/unit"]
    for folder in folders:
        command += ["-isystem", folder]
    done = subprocess.run(command + [unit], cwd=source.ROOT, capture_output=True, text=True)
    return done.stderr if done.returncode != 0 else ""


def check_headers(folders, strict):
    problems = []
    with tempfile.TemporaryDirectory() as scratch:
        for path in source.files(".h"):
            if len(re.findall(r"^#pragma once$", source.read(path), re.MULTILINE)) != 1:
                problems.append(f"{path}: no #pragma once")
            complaint = compile_alone(path, folders, scratch)
            missing = re.search(r"fatal error: (\S+): No such file", complaint)
            if missing and any(re.fullmatch(p, missing.group(1)) for p in RESERVED) and not strict:
                print(f"warning: {path}: not compiled, {missing.group(1)} is not built yet")
            elif complaint:
                problems.append(f"{path}: does not compile on its own:\n{complaint.rstrip()}")
    return problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--include", action="append", default=[])
    arguments = parser.parse_args()
    problems = check_layers() + check_headers(arguments.include, arguments.strict)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
