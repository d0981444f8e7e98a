"""Instructions a request in user space, counted by valgrind's callgrind, by function and by part of the program.

The counted binary is the stripped one; addresses are named by the unstripped ELF of the same build. What belongs to
which part is read from the symbol tables of the libraries that were linked, and for limpet's own code from its debug
information (link-time optimisation leaves no other trace of the source file). A function that was inlined counts for
the one that it was inlined into.
"""

import bisect
import collections
import contextlib
import pathlib
import re
import subprocess

import load
import machine
import servers

CONNECTIONS = 64
# The difference of two runs is taken, so that start-up cancels out. That varies by some million instructions.
FEW, MANY = 3200, 22400

# inclusive: with what it calls. calls: how often others call it.
Function = collections.namedtuple("Function", "name part cost inclusive calls")
# Of Python's allocator; objects that come from a free list are none of its business.
ALLOCATES = re.compile(r"Py(Object|Mem)_(Malloc|Calloc)$")

# limpet's own files, the first that matches: part.
OWN_FILES = [
    (r"embed/environ\.c", "bridge: environ"),
    (r"embed/start_response\.c", "bridge: start_response"),
    (r"embed/wsgi", "bridge: wsgi and body"),
    (r"embed/asgi", "bridge: asgi"),
    (r"embed/rsgi", "bridge: rsgi"),
    (r"embed/(operation|call|loop)\.c", "bridge: calls, awaitables, loop"),
    (r"embed/", "bridge: others"),
    (r"appliance/(http|reactor|request)", "limpet: HTTP and reactor"),
    (r"appliance/", "limpet: others"),
    (r"toolchain/shims/malloc\.c", "malloc"),
    (r"toolchain/shims/memory\.c", "libc: memory functions"),
]
# CPython's allocators, also where they go by names of their own.
MALLOC_NAMES = re.compile(r"_?mi_|_?Py(Object|Mem)_(Raw)?(Malloc|Calloc|Realloc|Free)|arena_map_"
                          r"|allocate_from_new_pool")
LIBRARIES = {"libmicrohttpd": "libmicrohttpd", "musl": "libc"}


def build_id(path):
    """The ELF file's; None when it has none."""
    notes = subprocess.run(["readelf", "-n", path], capture_output=True, text=True).stdout
    found = re.search(r"Build ID: (\w+)", notes)
    return found[1] if found else None


def unstripped(binary):
    """The ELF with symbols that the binary was made of: beside it or in a build folder."""
    wanted = build_id(binary)
    for path in [pathlib.Path(f"{binary}.elf"), *sorted(servers.ROOT.glob("build/*/limpet.elf"))]:
        if path.exists() and build_id(path) == wanted:
            return path
    raise machine.Failure(f"{binary}: no limpet.elf of the same build id in its folder, which names the functions")


# --- running ---

def count(session, requests, application):
    """What read_costs() says of the worker, from its start to its end with so many requests between."""
    output = session.folder / f"callgrind-{application}-{requests}"
    with contextlib.ExitStack() as stack:
        server = servers.Server(session, "limpet", application, wrapper=[
            "valgrind", "--quiet", "--tool=callgrind", "--dump-instr=yes", "--dump-line=no", "--compress-pos=no",
            f"--callgrind-out-file={output}.%p"])
        stack.enter_context(server)
        worker = machine.children(server.process.pid)[0]
        load.exactly(server.port, requests, CONNECTIONS)
    return read_costs(pathlib.Path(f"{output}.{worker}"))


def read_costs(path):
    """Costs by address of a callgrind file with absolute positions: (own, of what is called, how often it is called).
    "0xADDRESS LINE COST" is of the instruction there, but after a line "calls=TIMES TARGET LINE" of all these calls."""
    own, called, calls = collections.Counter(), collections.Counter(), collections.Counter()
    of_callee = False
    with path.open() as lines:
        for line in lines:
            if line.startswith("calls="):
                times, target = line[len("calls="):].split()[:2]
                calls[int(target, 16)] += int(times)
                of_callee = True
            elif line.startswith("0x"):
                fields = line.split()
                (called if of_callee else own)[int(fields[0], 16)] += int(fields[-1])
                of_callee = False
    return own, called, calls


# --- naming ---

def symbols(elf):
    """Sorted lists: addresses of the functions, and their names."""
    out = subprocess.run(["nm", "--numeric-sort", "--defined-only", elf], capture_output=True, text=True,
                         check=True).stdout
    # Link time optimisation leaves marks beside the functions: without a name, or a file's with a hash.
    found = [line.split() for line in out.splitlines() if len(line.split()) == 3]
    code = [(int(address, 16), name) for address, kind, name in found if kind in "tTwWi" and ".c." not in name]
    return [address for address, _ in code], [name for _, name in code]


def plain_name(name):
    """Without what the compiler appended to the function's name."""
    return re.sub(r"\.(part|isra|constprop|cold|lto_priv|llvm)\b.*", "", name)


def libraries(elf):
    """{function: part} of the static libraries that the build's own record names."""
    record = elf.parent / "gen/inputs"
    if not record.exists():
        raise machine.Failure(f"{record}: the build's record of what it linked is missing")
    parts = {}
    for prefix in re.findall(r"/\S+/build/[\w-]+-[0-9a-f]{16}", record.read_text()):
        name = pathlib.Path(prefix).name.rpartition("-")[0]
        archives = [] if name == "python" else pathlib.Path(prefix).rglob("*.a")
        for archive in archives:
            out = subprocess.run(["nm", "--defined-only", "--format=posix", archive], capture_output=True,
                                 text=True).stdout
            functions = re.findall(r"^(\S+) [tTwWi] ", out, re.MULTILINE)
            parts |= dict.fromkeys(functions, LIBRARIES.get(name, "other libraries"))
    return parts


def own_parts(elf, addresses):
    """{address of a function: part} of those that limpet's own source files hold."""
    question = "\n".join(hex(address) for address in addresses)
    out = subprocess.run(["addr2line", "-i", "-a", "-e", elf], input=question, capture_output=True, text=True,
                         check=True).stdout
    parts = {}
    for block in re.split(r"^(?=0x[0-9a-f]+$)", out, flags=re.MULTILINE)[1:]:
        address, *places = block.split("\n")
        outermost = [place for place in places if place][-1]
        for pattern, part in OWN_FILES:
            if re.search(pattern, outermost):
                parts[int(address, 16)] = part
                break
    return parts


def by_function(addresses, few, many):
    """{index of the function: what a request costs} from two runs' costs by address."""
    costs = collections.Counter()
    for position in many.keys() | few.keys():
        costs[bisect.bisect(addresses, position) - 1] += (many[position] - few[position]) / (MANY - FEW)
    return costs


def functions_of_a_request(session, application="hello"):
    """What a request costs, as a list of Function."""
    elf = unstripped(session.binary)
    few, many = count(session, FEW, application), count(session, MANY, application)
    addresses, names = symbols(elf)
    costs, called, calls = (by_function(addresses, *pair) for pair in zip(few, many))
    own = own_parts(elf, [addresses[index] for index in costs if index >= 0])
    of_libraries = libraries(elf)

    def part(index):
        if index < 0:
            return "outside the binary"
        name = plain_name(names[index])
        if addresses[index] in own:
            return own[addresses[index]]
        return "malloc" if MALLOC_NAMES.match(name) else of_libraries.get(name, "CPython")

    return [Function(names[index] if index >= 0 else "?", part(index), cost, cost + called[index], calls[index])
            for index, cost in costs.items()]
