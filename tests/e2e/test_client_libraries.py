"""Client libraries over TLS in a packed application that is alone in an empty root, against nginx and small services:
each task ends as it does in an ordinary python3 with the same packages."""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shutil
import ssl
import subprocess
import urllib.request

import pytest
from certificates import openssl
from tls_peers import ENVIRONMENT
from tls_world import World

pytestmark = [pytest.mark.static, pytest.mark.unvalidated(reason="what is looked at are clients")]

APPLICATION = pathlib.Path(__file__).parent / "applications/tls_clients"
PACKAGES = ("python3-requests", "python3-urllib3", "python3-chardet", "python3-charset-normalizer", "python3-idna",
            "python3-httpx", "python3-h11", "python3-anyio", "python3-sniffio",
            "python3-typing-extensions", "python3-aiohttp", "python3-aiosignal", "python3-aiohappyeyeballs",
            "python3-multidict", "python3-yarl", "python3-frozenlist", "python3-propcache", "python3-attr",
            "python3-websockets")
# httpcore of trixie fails at its import with Python 3.14.
OTHER_SUITES = {"forky": ("python3-httpcore",)}
TIMEOUT_S = 120

SCRIPTS = sorted(APPLICATION.glob("with_*.py"))
TASKS = [(path.stem, name) for path in SCRIPTS
         for name in re.findall(r"^@task\n(?:async )?def (\w+)", path.read_text(), re.M)]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with World(tmp_path_factory.mktemp("world")) as made:
        yield made


# Debian's certifi names the system's bundle, of which an empty root has none; upstream's has one beside it, as this.
CERTIFI = """
import os.path

def where():
    return os.path.join(os.path.dirname(__file__), "cacert.pem")

def contents():
    with open(where(), encoding="ascii") as file:
        return file.read()
"""
SYSTEM_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


@pytest.fixture(scope="module")
def certifi(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certifi")
    (folder / "certifi").mkdir()
    (folder / "certifi/__init__.py").write_text(CERTIFI)
    shutil.copy(SYSTEM_BUNDLE, folder / "certifi/cacert.pem")
    return folder


@pytest.fixture(scope="module")
def packages(debian_packages, certifi):
    others = [debian_packages(*names, suite=suite) for suite, names in OTHER_SUITES.items()]
    return [debian_packages(*PACKAGES), *others, certifi]


@pytest.fixture(scope="module")
def root(packages, packed, alone, world):
    """An empty root with the packed binary, certificates in /data, and what every system says of localhost."""
    options = [word for folder in packages for word in ("--with", folder)]
    made = alone(packed(APPLICATION, *options, "--app", "app:wsgi", "--mount", "/loop=app:asgi", name="clients"))
    world.give(made.path / "data")
    (made.path / "etc").mkdir()
    (made.path / "etc/hosts").write_text("127.0.0.1 localhost\n")
    return made


@pytest.fixture(scope="module")
def ordinary(packages, world):
    """ordinary(script) -> what the machine's Python prints."""

    def run(script):
        # Resolved to its own packages, nothing else of the machine's is found first.
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, packages)),
                       "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(["/usr/bin/python3", APPLICATION / script, json.dumps(world.settings())], env=environment,
                              stdout=subprocess.PIPE, text=True, timeout=TIMEOUT_S).stdout

    return run


@pytest.fixture(scope="module")
def outcome(request, world):
    """outcome(who, library) -> {task: {"result": ...} or {"error": its traceback}}; each library runs once."""
    outcomes = {}

    def run(who, library):
        script = f"{library}.py"
        if who == "ordinary":
            return request.getfixturevalue("ordinary")(script)
        return request.getfixturevalue("root").run("python", script, json.dumps(world.settings("/data")))

    def look(who, library):
        if (who, library) not in outcomes:
            outcomes[who, library] = {}  # where it fails there is nothing to be had
            lines = [json.loads(line) for line in run(who, library).splitlines()]
            outcomes[who, library] = {line.pop("task"): line for line in lines}
        return outcomes[who, library]

    return look


# What ends a task whose peer is not to be believed, is gone, or ends in the middle: the library's own errors.
ERRORS = {
    "with_requests": ("requests.exceptions.SSLError", "requests.exceptions.ConnectionError",
                      "requests.exceptions.ChunkedEncodingError"),
    "with_urllib3": ("urllib3.exceptions.SSLError", "urllib3.exceptions.ProtocolError",
                     "urllib3.exceptions.ProtocolError"),
    "with_httpx": ("httpx.ConnectError", "httpx.ConnectError", "httpx.RemoteProtocolError"),
    "with_httpx_async": ("httpx.ConnectError", "httpx.ConnectError", "httpx.RemoteProtocolError"),
    "with_aiohttp": ("aiohttp.client_exceptions.ClientConnectorCertificateError",
                     "aiohttp.client_exceptions.ClientConnectorError", "aiohttp.client_exceptions.ClientPayloadError"),
    "with_standard": ("urllib.error.URLError", "urllib.error.URLError", "http.client.IncompleteRead"),
    "with_asyncio": ("ssl.SSLCertVerificationError", "builtins.ConnectionResetError", None),
}
OF_ANYBODY = ("ssl.SSLCertVerificationError", None, None)  # who has no error of its own
UNKNOWN, HOST, EXPIRED = 20, 62, 10

# Of these every library says the same, or says it in its own way that is compared.
RESULTS = {
    "get": "TLSv1.3", "keep_alive": 1, "at_once": 50, "at_once_with_one_context": 50, "by_asyncio": "TLSv1.3",
    "by_threads": "TLSv1.3", "websocket": "Ünïcødé", "other_name": "TLSv1.3", "versions": ["TLSv1.2", "TLSv1.3"],
    "xml_rpc": [1024, 531441], "smtp_at_once": ["TLSv1.3", 250, True], "smtp_starttls": ["TLSv1.3", 250, True],
    "imap_at_once": ["TLSv1.3", 100_000], "imap_starttls": ["TLSv1.3", 100_000], "pop_at_once": ["TLSv1.3", 1000],
    "pop_stls": ["TLSv1.3", 1000], "start_tls": ["over TLS: hello\n", "TLSv1.3"],
    "loop_start_tls": ["HTTP/1.1 200 OK", "NoneType"], "both_sides": [[True, "localhost", "TLSv1.3"]] * 4,
    "resumption_1_2": [[".", False], ["r", True], ["r", True], "SSLSession", True, True, True],
    "resumption_1_3": [[".", False], ["r", True], ["r", True], "SSLSession", True, True, True],
    "session_of_another_context": {"class": "builtins.ValueError", "code": None},
    "unwrapped": ["SSLSocket", "in the clear", "over TLS"],
    "buffers": ["HTTP/1.1 200 OK", "TLSv1.3", 0], "makefile": ["HTTP/1.1 200 OK\r\n", True],
    "not_blocking": ["ssl.SSLWantReadError", "ssl.SSLWantReadError", "HTTP", True], "timeout": "builtins.TimeoutError",
    "handshake_timeout": {"class": "builtins.ConnectionAbortedError", "code": None},
}

# Where a newer Python says it otherwise: (library, task): (what it says, why).
NEWER = {
    ("with_standard", "ragged_end"): (
        [["end", 100], ["end", 100], ["end", 100], ["SSLEOFError", 100]],
        "OpenSSL's error for an end without close_notify has become SSLEOFError"),
}


def expected_of(world, library, name):
    """What a task has to say, or ... where only that both say the same."""
    untrusted, gone, ended = ERRORS.get(library, OF_ANYBODY)
    codes = {"wrong_host": HOST, "expired": EXPIRED}
    if name in codes or ("unknown_authority" in name and name != "smtp_unknown_authority"):
        return {"class": untrusted, "code": codes.get(name, UNKNOWN)}
    if name == "no_answer":
        return {"class": gone, "code": None}
    if name == "early_end" and ended:
        return {"class": ended, "code": None}
    by_name = {"post": hashlib.sha256(b"0123456789abcdef" * 65_536).hexdigest(), "download": world.large,
               "small_buffers": world.large, "certificate_of_a_server": world.local.der().hex(),
               "client_certificate": ["NONE", "SUCCESS"] + ["SUCCESS"] * (library == "with_urllib3")}
    return (RESULTS | by_name).get(name, ...)


@pytest.mark.parametrize("library, name", TASKS)
def test_an_ordinary_python_does_it(outcome, world, library, name):
    answer = outcome("ordinary", library)[name]
    assert "result" in answer, answer["error"]
    expected = expected_of(world, library, name)
    assert expected in (..., answer["result"])


@pytest.mark.parametrize("library, name", TASKS)
def test_a_packed_application_does_it(outcome, world, library, name):
    ordinary, answer = outcome("ordinary", library)[name], outcome("limpet", library)[name]
    assert "result" in answer, answer["error"]
    newer, _reason = NEWER.get((library, name), (ordinary.get("result"), ""))
    assert answer["result"] == newer


def test_the_proxies_were_asked(outcome, world):
    """By both Pythons, for nothing but the server."""
    assert "result" in outcome("limpet", "with_urllib3")["tls_proxy"]
    assert set(world.proxy.connected) == set(world.tls_proxy.connected) == {f"localhost:{world.nginx.port('local')}"}


# --- a packed application that serves over TLS by asyncio ---

@pytest.fixture(scope="module", params=["ordinary", "limpet"])
def port_of_asyncio(request, world):
    """Of serve_asyncio.py, run by either Python."""
    if request.param == "ordinary":
        command, settings = ["/usr/bin/python3", APPLICATION / "serve_asyncio.py"], world.settings()
    else:
        command = request.getfixturevalue("root").command("python", "serve_asyncio.py")
        settings = world.settings("/data")
    process = subprocess.Popen([*command, json.dumps(settings)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               text=True, env={"PYTHONDONTWRITEBYTECODE": "1"})
    try:
        yield int(process.stdout.readline())
        process.stdin.close()
        assert process.wait(TIMEOUT_S) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def curl(port, *options, path="/x"):
    done = subprocess.run(["curl", "--silent", "--show-error", "--fail", "--noproxy", "*", *options,
                           f"https://localhost:{port}{path}"], capture_output=True, text=True, timeout=TIMEOUT_S)
    return done.returncode, done.stdout + done.stderr


def test_curl_asks_a_server_of_asyncio(port_of_asyncio, world):
    ca = ["--cacert", world.files / "root.pem"]
    assert curl(port_of_asyncio, *ca) == (0, "TLSv1.3 http/1.1 None /x\n")
    assert curl(port_of_asyncio, *ca, "--tls-max", "1.2") == (0, "TLSv1.2 http/1.1 None /x\n")
    assert curl(port_of_asyncio, *ca, "--no-alpn") == (0, "TLSv1.3 None None /x\n")
    key = ["--cert", world.files / "client.pem", "--key", world.files / "client-key.pem"]
    assert curl(port_of_asyncio, *ca, *key) == (0, "TLSv1.3 http/1.1 Somebody /x\n")
    assert curl(port_of_asyncio, "--cacert", world.files / "other.pem")[0] == 60


def test_openssl_asks_a_server_of_asyncio(port_of_asyncio, world):
    for version in ("-tls1_2", "-tls1_3"):
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"localhost:{port_of_asyncio}", "-CAfile", world.files / "root.pem",
             "-verify_return_error", "-verify_hostname", "localhost", version, "-ign_eof"],
            input="GET /o HTTP/1.0\r\n\r\n", capture_output=True, text=True, timeout=TIMEOUT_S, env=ENVIRONMENT)
        assert "Verification: OK" in done.stdout, done.stdout
        assert re.search(r"^TLSv1\.[23] None None /o$", done.stdout, re.M), done.stdout


def test_an_ordinary_python_asks_a_server_of_asyncio(port_of_asyncio, world):
    context = ssl.create_default_context(cafile=world.files / "root.pem")
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        def ask(number):
            with urllib.request.urlopen(f"https://localhost:{port_of_asyncio}/{number}", context=context) as answer:
                return answer.read().decode()

        assert list(pool.map(ask, range(50))) == [f"TLSv1.3 None None /{number}\n" for number in range(50)]


# --- applications that ask while they answer ---

@pytest.fixture(scope="module")
def application(root, world):
    return root.serve("--workers", 1, "--readable", "/data",
                      environment={"TLS_CLIENTS": json.dumps(world.settings("/data"))})


@pytest.mark.parametrize("path", ["/", "/loop/httpx", "/loop/streams", "/loop/several"])
def test_an_application_asks_another_server(application, path):
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        bodies = list(pool.map(lambda _: application.get(path).read().decode(), range(40)))
    seen = [line for body in bodies for line in body.splitlines()]
    assert len(seen) == (400 if path == "/loop/several" else 40)
    assert all(line.startswith("TLSv1.3 TLS_") and "name=localhost" in line for line in seen), seen


def test_an_application_passes_a_large_answer_on(application, world):
    assert hashlib.sha256(application.get("/large").read()).hexdigest() == world.large


@pytest.mark.parametrize("path, error", [("/refused", "requests.exceptions.SSLError"),
                                         ("/loop/refused", "httpx.ConnectError")])
def test_an_application_learns_whom_it_cannot_trust(application, path, error):
    assert application.get(path).read().decode() == error


# --- whom a packed application trusts ---

def trusted(root, world, **environment):
    settings = world.settings("/data")
    return json.loads(root.run("python", "trust.py", json.dumps(settings), environment=environment))


def test_authorities_of_the_archive(root, world):
    """There is no bundle in an empty root: the one in the archive counts."""
    seen = trusted(root, world)
    assert seen["counts"]["x509_ca"] == seen["counts"]["x509"] == seen["loaded"] > 100, seen
    assert seen["counts"]["crl"] == 0
    assert seen["failure"] == {"class": "ssl.SSLCertVerificationError", "code": UNKNOWN}


def test_a_file_of_the_environment(root, world):
    seen = trusted(root, world, SSL_CERT_FILE="/data/root.pem")
    assert seen["counts"] == {"x509": 1, "crl": 0, "x509_ca": 1}
    assert seen["failure"] == {"class": None}
    assert seen["paths"]["cafile"] == "/data/root.pem"


def test_a_file_that_is_not_there(root, world):
    seen = trusted(root, world, SSL_CERT_FILE="/data/nothing.pem")
    assert seen["counts"] == {"x509": 0, "crl": 0, "x509_ca": 0}
    assert seen["failure"]["code"] == UNKNOWN and seen["paths"]["cafile"] is None


def test_a_folder_of_the_environment(root, world):
    folder = root.path / "data/hashed"
    folder.mkdir(mode=0o755)
    digest = openssl("x509", "-in", world.files / "root.pem", "-noout", "-hash").decode().strip()
    (folder / f"{digest}.0").write_bytes((world.files / "root.pem").read_bytes())
    seen = trusted(root, world, SSL_CERT_DIR="/data/hashed")
    assert seen["failure"] == {"class": None} and seen["paths"]["capath"] == "/data/hashed"
    assert trusted(root, world, SSL_CERT_DIR="/data/nothing")["failure"]["code"] == UNKNOWN
