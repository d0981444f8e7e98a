"""hashlib and hmac in the binary, which have no OpenSSL: against the ordinary python3, which has it."""

import hashlib
import hmac
import json
import shutil
import subprocess

import pytest

DIGESTS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_224", "sha3_256", "sha3_384", "sha3_512",
           "ripemd160")
# Around the sizes of blocks, and from 2,048 bytes on without the GIL.
SIZES = (0, 1, 55, 56, 63, 64, 65, 111, 112, 127, 128, 129, 136, 1000, 2047, 2048, 100_003)


@pytest.fixture
def python(run):
    """python(source) -> what source, run in the binary, prints as JSON."""

    def run_source(source, *arguments, **options):
        done = run("python", "-c", "import hashlib, hmac, _hashlib, json\n" + source, *arguments, **options)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return json.loads(done.stdout)

    return run_source


def data_of(size):
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def test_digests_are_openssl_s(python):
    """Of mbedTLS, and of whatever hashlib takes, by the constructor, by new() and in pieces."""
    found = python(f"""
data = lambda size: (bytes(range(251)) * (size // 251 + 1))[:size]
def all_ways(name, size):
    whole = data(size)
    yield _hashlib._by_mbedtls[name](whole).hexdigest()
    yield hashlib.new(name, whole).hexdigest()
    yield hashlib.new(name.upper().replace("_", "-"), whole).hexdigest()
    yield getattr(hashlib, name, _hashlib._by_mbedtls[name])(whole).hexdigest()
    pieces = _hashlib._by_mbedtls[name]()
    for i in range(0, size, 997):
        pieces.update(memoryview(whole)[i:i + 997])
    copy = pieces.copy()
    pieces.update(b"more")
    yield copy.hexdigest()
    yield copy.digest().hex()
print(json.dumps([[name, size, sorted(set(all_ways(name, size)))] for name in {DIGESTS} for size in {SIZES}]))
""")
    assert len(found) == len(DIGESTS) * len(SIZES)
    for name, size, digests in found:
        assert digests == [hashlib.new(name, data_of(size)).hexdigest()], (name, size)


def test_hmac_is_openssl_s(python):
    found = python(f"""
data = lambda size: (bytes(range(251)) * (size // 251 + 1))[:size]
def all_ways(name, size):
    key, whole = data(200), data(size)
    constructor = getattr(hashlib, name, _hashlib._by_mbedtls[name])
    for digest in name, name.upper(), constructor, _hashlib._by_mbedtls[name]:
        yield hmac.digest(key, whole, digest).hex()
        code = hmac.new(key, digestmod=digest)
        code.update(whole[:size // 2])
        copy = code.copy()
        code.update(b"more")
        copy.update(whole[size // 2:])
        yield copy.hexdigest()
        yield copy.digest().hex()
print(json.dumps([[name, size, sorted(set(all_ways(name, size)))] for name in {DIGESTS} for size in {SIZES}]))
""")
    for name, size, codes in found:
        assert codes == [hmac.digest(data_of(200), data_of(size), name).hex()], (name, size)


def test_a_file(python, tmp_path):
    (tmp_path / "file").write_bytes(data_of(1_000_003))
    names = [name for name in DIGESTS if name != "ripemd160"] + ["blake2b"]
    found = python(f"""
digests = []
for name in {names}:
    for digest in name, getattr(hashlib, name):
        with open("file", "rb") as file:
            digests.append(hashlib.file_digest(file, digest).hexdigest())
print(json.dumps(digests))
""", cwd=tmp_path)
    assert found == [hashlib.new(name, data_of(1_000_003)).hexdigest() for name in names for _ in range(2)]


PBKDF2 = [(name, password, salt, iterations, length)
          for name in DIGESTS for password, salt, iterations, length in
          (("password", "salt", 1, None), ("", "", 3, 1), ("p" * 200, "s" * 300, 7, 333))]


def test_pbkdf2_is_openssl_s(python):
    found = python(f"""
print(json.dumps([hashlib.pbkdf2_hmac(name, password.encode(), salt.encode(), iterations, length).hex()
                  for name, password, salt, iterations, length in {PBKDF2}]))
""")
    for (name, password, salt, iterations, length), key in zip(PBKDF2, found, strict=True):
        assert key == hashlib.pbkdf2_hmac(name, password.encode(), salt.encode(), iterations, length).hex(), name


def test_pbkdf2_of_rfc_6070(python):
    assert python("""
print(json.dumps([hashlib.pbkdf2_hmac("sha1", b"password", b"salt", 4096).hex(),
                  hashlib.pbkdf2_hmac("SHA1", b"pass\\0word", b"sa\\0lt", 4096, 16).hex()]))
""") == ["4b007901b765489abead49d926f721d065a429c1", "56fa6aa75548099dcc37d7f03425e0c3"]


# password, salt, n, r, p, length, key: RFC 7914 section 12.
SCRYPT = [
    ("", "", 16, 1, 1, "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
                       "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"),
    ("password", "NaCl", 1024, 8, 16, "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
                                      "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"),
    ("pleaseletmein", "SodiumChloride", 16384, 8, 1,
     "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
     "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"),
]


def test_scrypt_of_rfc_7914(python):
    found = python(f"""
print(json.dumps([hashlib.scrypt(password.encode(), salt=salt.encode(), n=n, r=r, p=p).hex()
                  for password, salt, n, r, p, key in {SCRYPT}]))
""")
    assert found == [key for *_, key in SCRYPT]


# What OpenSSL refuses and what it takes, by its default limit of 32 MB, which counts all that it needs, and by others.
LIMITS = [dict(n=2**14, r=8, p=1), dict(n=2**15, r=8, p=1), dict(n=2**15, r=8, p=1, maxmem=2**25 + 3072),
          dict(n=2**15, r=8, p=1, maxmem=2**25 + 3071), dict(n=2**14, r=8, p=1, maxmem=2**24), dict(n=16, r=1, p=1),
          dict(n=2**15, r=1, p=1), dict(n=2**16, r=1, p=1), dict(n=2, r=1, p=2**30), dict(n=2, r=2**30, p=1),
          dict(n=2, r=2**40, p=2**40), dict(n=2, r=0, p=1), dict(n=2, r=1, p=0), dict(n=2**62, r=8, p=1),
          dict(n=3, r=8, p=1), dict(n=1, r=8, p=1), dict(n=0, r=8, p=1), dict(n=2, r=2**32, p=1),
          dict(n=2, r=1, p=1, maxmem=-1), dict(n=2, r=1, p=1, maxmem=2**31), dict(n=2, r=1, p=1, dklen=0),
          dict(n=2, r=1, p=1, dklen=-1), dict(n=2, r=1, p=1, dklen=2**31), dict(n=2, r=1, p=1, dklen=100),
          dict(n=2**10, r=2, p=200_000)]
TRY = """
def tried(function, *arguments, **named):
    try:
        return function(*arguments, **named).hex()
    except Exception as error:
        return type(error).__mro__[-4].__name__, [word in str(error) for word in ("memory limit exceeded", "too large")]
"""


def test_scrypt_refuses_what_openssl_refuses(python):
    own = {}
    exec(TRY, own)
    found = python(TRY + f"""
print(json.dumps([tried(hashlib.scrypt, b"password", salt=b"salt", **limits) for limits in {LIMITS}]))
""")
    for limits, answer in zip(LIMITS, found, strict=True):
        expected = own["tried"](hashlib.scrypt, b"password", salt=b"salt", **limits)
        assert answer == json.loads(json.dumps(expected)), limits


MISTAKES = [
    ("hashlib.new('nosuch')", "ValueError: unsupported hash type nosuch"),
    ("hashlib.sha256('text')", "TypeError: Strings must be encoded before hashing"),
    ("hashlib.sha256(1)", "TypeError: object supporting the buffer API required"),
    ("hashlib.sha256(b'', string=b'')",
     "TypeError: 'data' and 'string' are mutually exclusive and support for 'string' keyword parameter is slated for "
     "removal in a future version."),
    ("hashlib.sha1(b'', b'')", "TypeError: openssl_sha1() takes at most 1 positional argument (2 given)"),
    ("hashlib.sha1(size=1)", "TypeError: openssl_sha1() got an unexpected keyword argument 'size'"),
    ("_hashlib.HASH()", "TypeError: cannot create '_hashlib.HASH' instances"),
    ("_hashlib.hmac_new(b'', b'', print)",
     "_hashlib.UnsupportedDigestmodError: Unsupported digestmod <built-in function print>"),
    ("_hashlib.hmac_new(b'')", "TypeError: Missing required parameter 'digestmod'."),
    ("hashlib.pbkdf2_hmac('nosuch', b'', b'', 1)", "_hashlib.UnsupportedDigestmodError: unsupported hash type nosuch"),
    ("hashlib.pbkdf2_hmac('sha1', b'', b'', 0)", "ValueError: iteration value must be greater than 0."),
    ("hashlib.pbkdf2_hmac('sha1', b'', b'', 1, 0)", "ValueError: key length must be greater than 0."),
    ("hashlib.pbkdf2_hmac('sha1', b'', b'', 2**31)", "OverflowError: iteration value is too great."),
    ("hashlib.pbkdf2_hmac('sha1', b'', b'', 1, 2**31)", "OverflowError: key length is too great."),
    ("hashlib.pbkdf2_hmac('sha1', '', b'', 1)", "TypeError: a bytes-like object is required, not 'str'"),
    ("hashlib.scrypt(b'', n=2, r=1, p=1)", "TypeError: scrypt() missing required argument 'salt' (pos 2)"),
    ("hashlib.scrypt(b'', b'', n=2, r=1, p=1)", "TypeError: scrypt() takes at most 1 positional argument (2 given)"),
    ("hashlib.scrypt(b'', salt=b'', n=2**30, r=8, p=1)",
     "ValueError: [digital envelope routines] memory limit exceeded"),
    ("hashlib.scrypt(b'', salt=b'', n=-2, r=1, p=1)", "ValueError: value must be positive"),
    ("hmac.compare_digest('\u00e9', 'a')", "TypeError: comparing strings with non-ASCII characters is not supported"),
]


@pytest.mark.parametrize("source, complaint", MISTAKES, ids=[source for source, _ in MISTAKES])
def test_mistakes(run, source, complaint):
    done = run("python", "-c", f"import hashlib, hmac, _hashlib; {source}")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == complaint


def test_a_constructor_that_is_not_quicker_is_python_s_own(python):
    """By the name, by new() and in HMAC alike; under a name that Python's own does not know it is mbedTLS's."""
    found = python("""
ours, own = [], []
for name in sorted(hashlib.algorithms_guaranteed):
    digest = hashlib.new(name)
    assert type(getattr(hashlib, name)()) is type(digest), name
    (ours if isinstance(digest, _hashlib.HASH) else own).append(name)
offered = sorted(name.removeprefix("openssl_") for name in dir(_hashlib) if name.startswith("openssl_"))
other = [name for name in own if name in _hashlib._by_mbedtls]
print(json.dumps([ours, own, offered, sorted(_hashlib.openssl_md_meth_names),
                  [type(hashlib.new(name.replace("sha", "SHA2-"))).__name__ for name in other],
                  [type(hmac.new(b"", b"", getattr(hashlib, name))._hmac).__module__ for name in other]]))
""")
    ours, own, offered, names, aliases, codes = found
    assert {"shake_128", "shake_256", "blake2b", "blake2s"} <= set(own)
    assert set(offered) - {"md_meth_names", "sha256"} == set(ours) - {"sha256"}
    assert set(names) == {*ours, "ripemd160"}
    assert {"md5", "sha1", "sha3_256"} <= set(ours)
    assert set(aliases) | {"HASH"} == {"HASH"}
    assert set(codes) | {"_hashlib"} == {"_hashlib"}


@pytest.mark.static
@pytest.mark.skipif(shutil.which("qemu-x86_64") is None, reason="needs qemu-x86_64 (Debian's qemu-user)")
def test_a_processor_without_the_instructions(limpet):
    """SHA-256 is left to CPython's own there, under its names; HMAC and PBKDF2 go on."""
    done = subprocess.run(["qemu-x86_64", "-cpu", "Haswell", limpet, "python", "-c", """
import hashlib, hmac, _hashlib, json
try:
    _hashlib.openssl_sha256(b"")
except ValueError as error:
    refused = str(error)
print(json.dumps([refused, type(hashlib.sha256()).__module__, type(hashlib.new("SHA256")).__module__,
                  type(hashlib.new("SHA2-256")).__module__, "sha256" in _hashlib.openssl_md_meth_names,
                  hashlib.sha256(b"abc").hexdigest(), hashlib.new("SHA2-256", b"abc").hexdigest(),
                  hashlib.sha1(b"abc").hexdigest(), hmac.digest(b"k", b"m", "sha256").hex(),
                  hmac.digest(b"k", b"m", hashlib.sha256).hex(), hmac.new(b"k", b"m", hashlib.sha256).hexdigest(),
                  hashlib.pbkdf2_hmac("sha256", b"p", b"s", 10).hex()]))
"""], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    digest, code = hashlib.sha256(b"abc").hexdigest(), hmac.digest(b"k", b"m", "sha256").hex()
    assert json.loads(done.stdout) == [
        "unsupported hash type sha256", "_sha2", "_sha2", "_hashlib", False, digest, digest,
        hashlib.sha1(b"abc").hexdigest(), code, code, code, hashlib.pbkdf2_hmac("sha256", b"p", b"s", 10).hex()]


def test_objects(python):
    assert python("""
digest, code = hashlib.new("ripemd160", b"abc"), hmac.new(b"key", digestmod="ripemd160")
print(json.dumps([digest.name, digest.digest_size, digest.block_size, repr(digest).partition(" @")[0], code.name,
                  code.digest_size, code.block_size, repr(code._hmac).partition(" @")[0], _hashlib.get_fips_mode(),
                  _hashlib._GIL_MINSIZE, issubclass(_hashlib.HASHXOF, _hashlib.HASH),
                  hashlib.new("sha1", string=b"abc", usedforsecurity=False).hexdigest()]))
""") == ["ripemd160", 20, 64, "<ripemd160 _hashlib.HASH object", "hmac-ripemd160", 20, 64, "<ripemd160 HMAC object", 0,
         2048, True, "a9993e364706816aba3e25717850c26c9cd0d89d"]


def test_other_threads_run_meanwhile(python):
    """Another thread, which needs the GIL to count, has counted on when the call is over."""
    assert python("""
import sys, threading
sys.setswitchinterval(1000)  # whoever has the GIL keeps it until it gives it away
data = bytes(64 << 20)
def counts_while(call):
    began, go_on, counted = threading.Event(), True, 0
    def count():
        nonlocal counted
        began.set()
        while go_on:
            counted += 1
            threading.Event().wait(0.0001)
    thread = threading.Thread(target=count)
    thread.start()
    began.wait()
    before, calls = counted, 0
    while counted == before and calls < 50:  # between two of them nobody else has a turn
        call()
        calls += 1
    after = counted
    go_on = False
    thread.join()
    return after > before
digest, code = _hashlib._by_mbedtls["sha512"](), hmac.new(b"key", digestmod=_hashlib._by_mbedtls["sha512"])
print(json.dumps([counts_while(call) for call in (
    lambda: _hashlib._by_mbedtls["sha512"](data), lambda: digest.update(data), lambda: code.update(data),
    lambda: hmac.digest(b"key", data, _hashlib._by_mbedtls["sha512"]),
    lambda: hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 1_000_000),
    lambda: hashlib.scrypt(b"password", salt=b"salt", n=2**15, r=8, p=4, maxmem=2**26))]))
""") == [True] * 6


def test_threads_that_share_an_object(python):
    """What they add arrives whole, in any order; copies and digests meanwhile are of whole pieces."""
    found = python("""
import threading
piece, digest, code = bytes(5000), _hashlib._by_mbedtls["md5"](), hmac.new(b"key", digestmod="md5")
def work():
    for _ in range(500):
        digest.update(piece)
        code.update(piece)
        digest.copy().digest()
        code.copy().digest()
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps([digest.hexdigest(), code.hexdigest()]))
""")
    data = bytes(5000 * 8 * 500)
    assert found == [hashlib.md5(data).hexdigest(), hmac.new(b"key", data, "md5").hexdigest()]


def test_an_interpreter_of_its_own(python):
    """Each has its module, and all of them one library (PEP 734)."""
    assert python("""
from concurrent.futures import InterpreterPoolExecutor
with InterpreterPoolExecutor(4) as pool:
    keys = [pool.submit(hashlib.pbkdf2_hmac, "sha256", b"password", b"salt", 100_000) for _ in range(8)]
    digests = [pool.submit(hmac.digest, b"key", bytes(100_000), name) for name in ("sha1", "sha3_256", "sha512")]
    print(json.dumps([sorted({key.result().hex() for key in keys}), [digest.result().hex() for digest in digests]]))
""") == [[hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 100_000).hex()],
         [hmac.digest(b"key", bytes(100_000), name).hex() for name in ("sha1", "sha3_256", "sha512")]]


# --- hashed passwords, from the binary and to it ---

DJANGO = """
import sys
from django.conf import settings
HASHERS = ["PBKDF2PasswordHasher", "PBKDF2SHA1PasswordHasher", "ScryptPasswordHasher"]
settings.configure(PASSWORD_HASHERS=["django.contrib.auth.hashers." + name for name in HASHERS])
from django.contrib.auth.hashers import check_password, make_password
def make():
    return [make_password("correct horse", hasher=name) for name in ("pbkdf2_sha256", "pbkdf2_sha1", "scrypt")]
def check(password, hashed):
    return check_password(password, hashed)
"""
WERKZEUG = """
import sys
from werkzeug.security import check_password_hash, generate_password_hash
def make():
    return [generate_password_hash("correct horse", method) for method in ("scrypt", "pbkdf2", "pbkdf2:sha512:1000")]
def check(password, hashed):
    return check_password_hash(hashed, password)
"""
PASSWORDS = """
import json, os
hashed = json.load(sys.stdin)
print(json.dumps([make(), *([check(word + " horse", one) for one in hashed] for word in ("correct", "wrong"))]))
"""


@pytest.mark.parametrize("source, packages", [(DJANGO, ("python3-django", "python3-asgiref", "python3-sqlparse")),
                                              (WERKZEUG, ("python3-werkzeug", "python3-markupsafe"))],
                         ids=["django", "werkzeug"])
def test_passwords(limpet, debian_packages, source, packages):
    """Hashes that the ordinary python3 makes are good in the binary, and the other way round."""
    environment = {"PYTHONPATH": str(debian_packages(*packages)), "LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"}

    def answer(command, hashed):
        done = subprocess.run([*command, "-W", "ignore", "-c", source + PASSWORDS], input=json.dumps(hashed), text=True,
                              env=environment, capture_output=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    ordinary, binary = ["/usr/bin/python3"], [limpet, "python"]
    made, *_ = answer(ordinary, [])
    ours, good, bad = answer(binary, made)
    assert (good, bad) == ([True] * 3, [False] * 3), made
    _, good, bad = answer(ordinary, ours)
    assert (good, bad) == ([True] * 3, [False] * 3), ours
