"""The notes application over HTTPS in a real browser, which trusts one key and nothing else."""

import base64
import hashlib
import json
import pathlib
import shutil

import pytest
from certificates import openssl
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from test_notes_browser import FLAGS, Browser
from tls_client import Pki, options_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.unvalidated(reason="what is tested here is around the application")


@pytest.fixture
def pki(tmp_path):
    return Pki(tmp_path)


@pytest.fixture
def server(packed, pki, tmp_path, serve):
    binary = pathlib.Path(shutil.copy(packed(ROOT / "apps/notes", name="notes"), tmp_path / "notes"))
    return serve(*options_of(pki.local), binary=binary)


@pytest.fixture
def browser(server, pki, tmp_path):
    public = openssl("pkey", "-in", pki.local.key, "-pubout", "-outform", "DER")
    pin = base64.b64encode(hashlib.sha256(public).digest()).decode()
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"--ignore-certificate-errors-spki-list={pin}"):
        options.add_argument(flag)
    chromium = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    yield Browser(chromium, f"https://localhost:{server.port}")
    chromium.quit()


def answers(browser):
    """Of all requests so far."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.driver.get_log("performance")]
    received = [message["params"]["response"] for message in messages
                if message["method"] == "Network.responseReceived"]
    return [answer for answer in received if not answer["url"].startswith(("chrome", "data:"))]


def test_a_note_is_written(browser, tmp_path):
    browser.driver.execute_cdp_cmd("Network.enable", {})
    browser.open()
    assert browser.driver.execute_script("return [isSecureContext, location.protocol]") == [True, "https:"]
    browser.open("/new")
    browser.write("Tide table", "Low water at **06:12**")
    browser.one("#editor .primary").click()
    browser.until_at("/notes/1")
    browser.shows(".prose strong", "06:12")
    browser.open()
    browser.lists(["Tide table"])
    browser.picture(tmp_path / "https.png")
    assert browser.complaints() == []
    received = answers(browser)
    assert len(received) > 3
    for answer in received:
        assert answer["status"] < 400 and answer["protocol"] == "http/1.1", answer["url"]
        assert answer["securityDetails"]["protocol"] == "TLS 1.3" and answer["url"].startswith("https://")
