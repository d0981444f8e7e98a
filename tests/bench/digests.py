#!/usr/bin/python3
"""Digests, HMAC and keys from passwords: mbedTLS's and CPython's own (HACL*) in limpet, beside OpenSSL's.

    digests.py BINARY [--python PYTHON]

BINARY is a limpet, of the release profile where figures are to be kept; PYTHON an ordinary python3. Prints the tables
of README.md. The three take turns, each round in a process of its own; what stands in a table is the least CPU time of all
rounds, of a call from Python with its result: what an application pays.
"""

import argparse
import json
import subprocess

ROUNDS = 5
SIZES = {"16 B": 16, "1 KB": 1024, "16 KB": 16 << 10, "1 MB": 1 << 20}
DIGESTS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_224", "sha3_256", "sha3_384", "sha3_512",
           "shake_128", "shake_256", "blake2b", "blake2s", "ripemd160")
BUILT_IN = {"md5": "_md5", "sha1": "_sha1", "sha224": "_sha2", "sha256": "_sha2", "sha384": "_sha2", "sha512": "_sha2",
            "sha3_224": "_sha3", "sha3_256": "_sha3", "sha3_384": "_sha3", "sha3_512": "_sha3", "shake_128": "_sha3",
            "shake_256": "_sha3", "blake2b": "_blake2", "blake2s": "_blake2", "ripemd160": "_none"}
KEYS = {"PBKDF2, SHA-256, 1,000,000": "hashlib.pbkdf2_hmac('sha256', b'password', b'salt', 1000000)",
        "PBKDF2, SHA-512, 1,000,000": "hashlib.pbkdf2_hmac('sha512', b'password', b'salt', 1000000)",
        "PBKDF2, SHA-1, 1,000,000": "hashlib.pbkdf2_hmac('sha1', b'password', b'salt', 1000000)",
        "scrypt, n = 16384, r = 8, p = 5": "hashlib.scrypt(b'password', salt=b'salt', n=16384, r=8, p=5, maxmem=1<<26)",
        "scrypt, n = 32768, r = 8, p = 1": "hashlib.scrypt(b'password', salt=b'salt', n=32768, r=8, p=1, maxmem=1<<26)"}

# Runs in the measured Python: reads [[expression, set-up]] and prints the least CPU time of each in microseconds.
MEASURE = """
import json, sys, time, timeit
expressions = json.load(sys.stdin)
least = []
for expression, setup in expressions:
    timer = timeit.Timer(expression, setup, time.process_time)
    try:
        once = min(timer.repeat(2, 1))
    except (AttributeError, ImportError, KeyError, ValueError):
        least.append(None)
        continue
    number = max(1, int(0.002 / max(once, 1e-7)))
    least.append(min(timer.repeat(12 if once < 0.01 else 1, number)) / number * 1e6)
print(json.dumps(least))
"""


def measure(command, expressions):
    """The least microseconds of each (expression, set-up); None: that Python does not have it."""
    done = subprocess.run([*command, "-c", MEASURE], input=json.dumps(expressions), capture_output=True, text=True,
                          check=True)
    return json.loads(done.stdout)


def least_of_rounds(contestants):
    """{name: [microseconds]} of {name: (command, expressions)}."""
    least = {}
    for _ in range(ROUNDS):
        for name, (command, expressions) in contestants.items():
            figures = measure(command, expressions)
            least[name] = [new if old is None else min(old, new)
                           for old, new in zip(least.get(name, figures), figures)]
    return least


def digest_of(size, make, length=""):
    """(expression, set-up) of one digest; make: a constructor as an expression; length: of a digest that has any."""
    return f"make(data).digest({length})", f"import hashlib; data = bytes({size}); make = {make}"


def hmac_of(size, function, digest):
    """The same of an HMAC."""
    return ("function(b'k' * 32, data, digest)",
            f"import hashlib, hmac; data = bytes({size}); function = {function}; digest = {digest}")


def constructors(name):
    """Expressions for mbedTLS's, CPython's own, OpenSSL's."""
    own = f"__import__({BUILT_IN[name]!r}).{name}"
    other = f"hashlib.{name}" if name != "ripemd160" else "lambda data: hashlib.new('ripemd160', data)"
    if name.startswith("blake"):
        other = f"lambda data: hashlib.new({({'blake2b': 'blake2b512', 'blake2s': 'blake2s256'}[name])!r}, data)"
    return f"__import__('_hashlib')._by_mbedtls[{name!r}]", own, other


def figure(value):
    return "" if value is None else f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def row(name, three):
    """A row: each three figures of mbedTLS, CPython, OpenSSL; the lesser of the first two in bold."""
    cells = []
    for ours, own, other in three:
        known = [value for value in (ours, own) if value is not None]
        for value in (ours, own):
            cells.append(f"**{figure(value)}**" if value is not None and value == min(known) else figure(value))
        cells.append(figure(other))
    return "| " + " | ".join([name, *cells]) + " |"


def table(title, names, expressions_of, commands):
    """Print a table: expressions_of(name, size) are three (expression, set-up)."""
    asked = [(name, size) for name in names for size in SIZES.values()]
    threes = [expressions_of(name, size) for name, size in asked]
    contestants = {i: (commands[i], [three[i] for three in threes]) for i in range(3)}
    least = least_of_rounds(contestants)
    print(f"| {title} | " + " | ".join(f"{size}: mbedTLS | CPython | OpenSSL" for size in SIZES) + " |")
    print("|" + "---|" * (1 + 3 * len(SIZES)))
    for i, name in enumerate(names):
        places = range(i * len(SIZES), (i + 1) * len(SIZES))
        print(row(name, [[least[k][place] for k in range(3)] for place in places]), flush=True)
    print()


def key_table(commands):
    expressions = [(expression, "import hashlib") for expression in KEYS.values()]
    least = least_of_rounds({name: (commands[i], expressions) for i, name in ((0, "limpet"), (2, "OpenSSL"))})
    print("| seconds | limpet | OpenSSL | speed, of OpenSSL's |\n|---|---|---|---|")
    for name, ours, other in zip(KEYS, least["limpet"], least["OpenSSL"]):
        print(f"| {name} | {ours / 1e6:.3f} | {other / 1e6:.3f} | {100 * other / ours:.0f}% |")


def hmac_expressions(name, size):
    by_mbedtls = hmac_of(size, "__import__('_hashlib').hmac_digest", f"__import__('_hashlib')._by_mbedtls[{name!r}]")
    own = hmac_of(size, "__import__('_hmac').compute_digest", repr(name))
    return by_mbedtls, own, hmac_of(size, "hmac.digest", repr(name))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("binary")
    parser.add_argument("--python", default="/usr/bin/python3")
    arguments = parser.parse_args()
    limpet = [arguments.binary, "python"]
    commands = [limpet, limpet, [arguments.python]]
    table("digest, us", DIGESTS, lambda name, size: [
        digest_of(size, make, "32" if name.startswith("shake") else "") for make in constructors(name)], commands)
    table("HMAC, us", DIGESTS[:10], hmac_expressions, commands)
    key_table(commands)


if __name__ == "__main__":
    main()
