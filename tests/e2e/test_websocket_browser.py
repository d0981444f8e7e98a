"""WebSocket in a real browser: headless Chromium, plain and over TLS."""

import base64
import hashlib

import pytest
from certificates import openssl
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from test_notes_browser import FLAGS, Browser
from tls_client import Pki, options_of
from websocket_service import APPLICATION

pytestmark = pytest.mark.unvalidated(reason="an asynchronous application")

SOURCE = APPLICATION.read_text()
WAIT_S = 60

# Opens a WebSocket, goes through steps, and calls back with what happened, in order. A step is a function of the
# socket, taken when it is open and behind each message.
SCRIPT = """
const [path, protocols, steps, done] = arguments;
const seen = [];
const address = location.origin.replace("http", "ws") + path;
const socket = new WebSocket(address, protocols);
socket.binaryType = "arraybuffer";
const next = () => { if (steps.length) new Function("socket", steps.shift())(socket); };
const show = data => typeof data === "string" ? data
    : "bytes " + Array.from(new Uint8Array(data)).join(" ");
socket.onopen = () => { seen.push(["open", socket.protocol, socket.extensions]); next(); };
socket.onmessage = event => {
    const text = show(event.data);
    seen.push(["message", text.length > 1000 ? text.length : text]);
    next();
};
socket.onerror = () => seen.push(["error"]);
socket.onclose = event => { seen.push(["close", event.code, event.reason, event.wasClean]); done(seen); };
"""


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def driver(pki, tmp_path_factory):
    """A Chromium with an empty profile, which trusts one key beside those that all do."""
    public = openssl("pkey", "-in", pki.local.key, "-pubout", "-outform", "DER")
    pin = base64.b64encode(hashlib.sha256(public).digest()).decode()
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    profile = tmp_path_factory.mktemp("profile")
    for flag in (*FLAGS, f"--user-data-dir={profile}", f"--ignore-certificate-errors-spki-list={pin}"):
        options.add_argument(flag)
    chromium = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    chromium.set_script_timeout(WAIT_S)
    yield chromium
    chromium.quit()


@pytest.fixture(scope="module", params=["plain", "tls"])
def server(request, pki, serve_once):
    return serve_once(SOURCE, *(options_of(pki.local) if request.param == "tls" else []))


@pytest.fixture
def browser(server, driver):
    """A Browser at a page of the application."""
    yield page_of(server, driver)
    driver.get("about:blank")


def page_of(server, driver):
    """A Browser at the server's page."""
    opened = Browser(driver, f"{server.url.partition(':')[0]}://localhost:{server.port}")
    opened.open()
    opened.complaints()
    return opened


def talk(browser, path, *steps, protocols=()):
    """What a page sees that takes these steps with a WebSocket."""
    return browser.driver.execute_async_script(SCRIPT, path, list(protocols), list(steps))


def test_messages(browser):
    seen = talk(browser, "/echo", "socket.send('h\u00e9llo \U0001f600')", "socket.send('')",
                "socket.send(new Uint8Array([0, 255, 128]))", "socket.send(new Blob([new Uint8Array([1, 2])]))",
                "socket.send('x'.repeat(300000))", "socket.send(new Uint8Array(70000))", "socket.close(1000, 'done')")
    assert seen[0][:2] == ["open", ""] and seen[0][2].startswith("permessage-deflate")
    assert seen[1:5] == [["message", "h\u00e9llo \U0001f600"], ["message", ""], ["message", "bytes 0 255 128"],
                         ["message", "bytes 1 2"]]
    assert seen[5:7] == [["message", 300000], ["message", len("bytes" + " 0" * 70000)]]
    assert seen[7:] == [["close", 1000, "done", True]]
    assert browser.complaints() == []


def test_a_subprotocol(browser):
    seen = talk(browser, "/echo", "socket.close(4000)", protocols=["superchat", "chat"])
    assert seen[0][:2] == ["open", "superchat"] and seen[1] == ["close", 4000, "", True]


CLOSES = [('{"code": 1000}', 1000, ""), ('{"code": 4321, "reason": "b\u00fc"}', 4321, "b\u00fc"),
          ('{"code": 1011, "reason": "broken"}', 1011, "broken"), ('{"code": 1012}', 1012, "")]


def test_codes_of_the_application(browser):
    for close, code, reason in CLOSES:
        seen = talk(browser, "/close", f"socket.send('{close}')")
        assert seen[1:] == [["close", code, reason, True]]
    assert talk(browser, "/return")[1:] == [["message", "the last"], ["close", 1000, "", True]]
    assert talk(browser, "/raise")[1:] == [["message", "the last"], ["close", 1011, "", True]]
    assert talk(browser, "/echo", "socket.close()")[1:] == [["close", 1005, "", True]]
    assert browser.complaints() == []


@pytest.mark.parametrize("path, status", [("/reject", 403), ("/deny", 418), ("/raise-early", 500)])
def test_refused(browser, path, status):
    assert talk(browser, path) == [["error"], ["close", 1006, "", False]]
    complaints = browser.complaints()
    assert len(complaints) == 1 and f"Unexpected response code: {status}" in complaints[0]


def test_the_server_stops(driver, serve, tmp_path):
    (tmp_path / "app.py").write_text(SOURCE)
    server = serve("app:app", "--workers", 1, "--working-dir", tmp_path)
    browser = page_of(server, driver)
    browser.driver.execute_script("""
        window.seen = [];
        const socket = new WebSocket(location.origin.replace("http", "ws") + "/wait?page");
        socket.onclose = event => window.seen.push(event.code, event.wasClean);""")
    server.wait_for('said page: {"state": "open"}')
    server.stop()
    browser.until(lambda: browser.driver.execute_script("return window.seen") == [1001, True], "the close to be seen")


def test_a_page_that_is_closed(browser, server):
    """The browser closes what the page has opened: 1001."""
    name = f"closed-{server.port}"
    first = browser.driver.current_window_handle
    browser.driver.switch_to.new_window("tab")
    browser.open()
    browser.driver.execute_script(f"""
        window.socket = new WebSocket(location.origin.replace("http", "ws") + "/wait?{name}");""")
    server.wait_for(f'said {name}: {{"state": "open"}}')
    browser.driver.close()
    browser.driver.switch_to.window(first)
    server.wait_for(f'said {name}: {{"state": "ended", .*"code": 1001')
