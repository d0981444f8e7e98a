"""Somebody's Flask application, packed, alone in an empty root."""

import concurrent.futures
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import subprocess
import threading

import pytest

pytestmark = [pytest.mark.also_validated,
              pytest.mark.unsanitized(reason="what frameworks ask of the server, test_frameworks.py asks as well")]

FLASK = ("python3-flask", "python3-werkzeug", "python3-jinja2", "python3-markupsafe", "python3-itsdangerous",
         "python3-click", "python3-blinker")
SHOP = pathlib.Path(__file__).parent / "applications/shop"


@pytest.fixture(scope="session")
def shop(packed, debian_packages):
    return packed(SHOP, "--with", debian_packages(*FLASK), name="shop")


@pytest.fixture
def served(shop, request):
    """The shop: alone in an empty root where the binary is static, else from where it is (sanitizer build)."""
    if "sanitize" in os.environ.get("BINARY_UNDER_TEST", ""):
        return request.getfixturevalue("serve")(binary=shop)
    return request.getfixturevalue("shop_alone")


@pytest.fixture(scope="module")
def shop_alone(shop, alone):
    return alone(shop).serve()


def curl(*arguments):
    done = subprocess.run(["curl", "--silent", "--show-error", "--max-time", "60", *map(str, arguments)],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.static
def test_needs_nothing(shop):
    about = subprocess.run(["file", shop], capture_output=True, text=True, check=True).stdout
    assert "statically linked" in about and "interpreter" not in about
    segments = subprocess.run(["readelf", "-ld", shop], capture_output=True, text=True, check=True).stdout
    assert "INTERP" not in segments and "NEEDED" not in segments


def test_page_by_template(served):
    page = curl(served.url + "/")
    assert "<h1>The shop</h1>" in page and "/static/shop.css" in page


def test_static_file(served):
    assert curl(served.url + "/static/shop.css") == "body { font-family: sans-serif }\n"


def test_an_edited_static_file_is_sent_anew(packed, debian_packages, serve, tmp_path):
    """What a browser has kept is of no use after an upgrade, though the file's size is the same."""
    def deploy(colour, when):
        shutil.copytree(SHOP, tmp_path / colour)
        (tmp_path / colour / "static/shop.css").write_text(f"body {{ color: {colour} }}")
        binary = tmp_path / "deployed"
        shutil.copy(packed(tmp_path / colour, "--with", debian_packages(*FLASK), name="shop"), binary)
        os.utime(binary, (when, when))
        return serve(binary=binary)

    def ask(server, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("GET", "/static/shop.css", headers={k.replace("_", "-"): v for k, v in headers.items()})
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        return response.status, body, response.headers

    first = deploy("teal", 1_700_000_000)
    _, body, kept = ask(first)
    assert body == "body { color: teal }" and kept["Last-Modified"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert ask(first, If_None_Match=kept["ETag"])[0] == 304
    assert ask(first, If_Modified_Since=kept["Last-Modified"])[0] == 304
    first.stop()
    second = deploy("pink", 1_700_000_001)
    assert ask(second, If_None_Match=kept["ETag"])[:2] == (200, "body { color: pink }")
    assert ask(second, If_Modified_Since=kept["Last-Modified"])[:2] == (200, "body { color: pink }")


def test_form_is_taken_and_redirected(served):
    # Two workers keep their orders apart: one connection stays with one of them.
    page = curl("--location", "--data-urlencode", "what=Ünïcødé & <b>", served.url + "/orders")
    assert "<li>Ünïcødé &amp; &lt;b&gt;</li>" in page


def test_json(served):
    out = curl("--json", '{"numbers": [1, 2, 39]}', served.url + "/api/sum")
    assert json.loads(out) == {"total": 42, "count": 3}


def test_upload_of_10_mb(served, tmp_path):
    data = os.urandom(10 * 1024 * 1024)
    (tmp_path / "big.bin").write_bytes(data)
    out = json.loads(curl("-F", f"file=@{tmp_path}/big.bin", served.url + "/upload"))
    assert out == {"name": "big.bin", "sha256": hashlib.sha256(data).hexdigest()}


def test_chunked_upload(served, tmp_path):
    data = os.urandom(300_000)
    (tmp_path / "some.bin").write_bytes(data)
    out = json.loads(curl("-H", "Transfer-Encoding: chunked", "-F", f"file=@{tmp_path}/some.bin",
                          served.url + "/upload"))
    assert out["sha256"] == hashlib.sha256(data).hexdigest()


def test_50_clients_at_once(served):
    together = threading.Barrier(50)

    def client(number):
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
        together.wait(60)
        pids = set()
        for i in range(20):
            body = json.dumps({"numbers": [number, i]})
            connection.request("POST", "/api/sum", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            assert response.status == 200
            assert json.loads(response.read())["total"] == number + i
            connection.request("GET", "/pid")
            pids.add(connection.getresponse().read())
        connection.close()
        assert len(pids) == 1, "a kept-alive connection moved between workers"
        return pids.pop()

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        served_by = set(pool.map(client, range(50)))
    assert served_by <= {str(pid).encode() for pid in served.workers()}


def test_error_is_logged_with_its_source_line(served):
    assert "Internal Server Error" in curl(served.url + "/broken")
    served.wait_for(r"ValueError: the shop is on fire")
    assert 'raise ValueError("the shop is on fire")' in served.log
    assert "/shop/app/shop.py" in served.log


def test_pure_python_fallback_is_named(limpet, tmp_path, debian_packages, run):
    done = run("pack", SHOP, "--with", debian_packages(*FLASK), "--output", tmp_path / "shop")
    assert done.returncode == 0, done.stderr
    assert "markupsafe/_speedups" in done.stdout + done.stderr
    assert "fallback" in done.stdout + done.stderr
