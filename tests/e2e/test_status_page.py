"""The status page: who may see it, and what it shows in a real browser, headless Chromium.

Every test in the browser ends with a look at its console, which has to be empty but for connections that a stopped
server refused: what the page's policy forbids would be told there. Screenshots lie in the test's temporary folder
(pytest --basetemp=FOLDER keeps them where you like).
"""

import base64
import gzip
import hashlib
import http.client
import json
import pathlib
import re
import signal
import socket
import ssl
import urllib.request

import pytest
from certificates import Authority, openssl
from raw_client import Peer
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.keys import Keys
from server import eventually
from test_chat_browser import contrast_of
from test_notes_browser import DESK, FLAGS, PHONE, Browser, driver  # noqa: F401
from tls_client import options_of

pytestmark = [pytest.mark.unvalidated(reason="what is tested here is around the application"),
              pytest.mark.unsanitized(reason="it is about a page and its script")]

ROOT = pathlib.Path(__file__).resolve().parents[2]
APPLICATION = """
def app(environ, start_response):
    status = environ["PATH_INFO"].strip("/")
    start_response(status + " Asked for" if status.isdigit() else "200 OK", [("Content-Type", "text/plain")])
    return [b"x" * 1000]
"""
AWAY = "ERR_CONNECTION_REFUSED"


@pytest.fixture
def served(serve, application):
    """served(*options, port=0) -> Server of the application above with a status page at /status."""
    folder = application(APPLICATION)

    def start(*options, **more):
        return serve("app:app", "--working-dir", folder, "--status-page", "/status", *options, **more)

    return start


def ask(server, target="/status", method="GET", source="127.0.0.1", **fields):
    """(answer, body) over a connection of its own, from that address of this machine."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30, source_address=(source, 0))
    connection.request(method, target, headers={name.replace("_", "-"): value for name, value in fields.items()})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def status_of(*arguments, **fields):
    return ask(*arguments, **fields)[0].status


def data_of(server, target="/status?data"):
    return json.loads(ask(server, target)[1])


# --- by a plain client ---


def test_there_is_none_unless_asked_for(serve, application):
    server = serve("app:app", "--working-dir", application(APPLICATION))
    answer, body = ask(server)
    assert (answer.status, body) == (200, b"x" * 1000)
    server = serve("app:app", "--working-dir", application(APPLICATION), "--status-page", "off")
    assert ask(server, "/off")[1] == ask(server)[1] == b"x" * 1000


def test_its_answers(served):
    server = served("--workers", 1)
    answer, page = ask(server)
    assert answer.status == 200 and answer.getheader("Content-Type") == "text/html; charset=utf-8"
    assert answer.getheader("Cache-Control") == "no-store" and page.startswith(b"<!doctype html>")
    assert ask(server, "/status/")[1] == ask(server, "/status?")[1] == page
    coded, small = ask(server, Accept_Encoding="br, gzip")
    assert coded.getheader("Content-Encoding") == "gzip" and len(small) < len(page) / 2
    assert gzip.decompress(small) == page and coded.getheader("Vary") == "Accept-Encoding"
    assert answer.getheader("Content-Encoding") is None
    head, nothing = ask(server, method="HEAD")
    assert (head.status, head.getheader("Content-Length"), nothing) == (200, str(len(page)), b"")
    for target in ("/status?data", "/status/?data=0"):
        answer, body = ask(server, target)
        assert answer.status == 200 and answer.getheader("Content-Type") == "application/json"
        assert answer.getheader("Cache-Control") == "no-store" and json.loads(body)["worker"] == 1
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        answer, _ = ask(server, method=method)
        assert (answer.status, answer.getheader("Allow")) == (405, "GET, HEAD")
    for path in ("/status/x", "/status2", "/statu", "/x/status"):
        assert ask(server, path)[1] == b"x" * 1000


def test_its_policy_is_for_what_is_in_it(served):
    """One script and one style, by their digests, and nothing from elsewhere."""
    answer, page = ask(served())
    policy = dict(part.strip().split(" ", 1) for part in answer.getheader("Content-Security-Policy").split(";"))
    for element in ("style", "script"):
        [content] = re.findall(f"<{element}>(.*?)</{element}>".encode(), page, re.DOTALL)
        assert len(re.findall(f"<{element}".encode(), page)) == 1
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        assert policy[f"{element}-src"] == f"'sha256-{digest}'"
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'" and policy["connect-src"] == "'self'"
    assert set(re.findall(rb"https?://[^\"' )]*", page)) == {b"http://www.w3.org/2000/svg"}
    assert b"innerHTML" not in page and b"eval" not in page


def test_who_may_see_it(served):
    server = served("--status-page-allow", "127.0.0.1")
    for target in ("/status", "/status/", "/status?data"):
        assert status_of(server, target) == 200
        answer, body = ask(server, target, source="127.0.0.2")
        assert answer.status == 403 and b"status-page-allow" in body and b"<" not in body
    assert status_of(server, method="POST", source="127.0.0.2") == 403
    assert status_of(server, "/200", source="127.0.0.2") == 200


def test_all_of_loopback_may_see_it_by_default(served):
    server = served()
    assert status_of(server) == status_of(server, source="127.0.0.2") == 200


def test_networks_and_what_is_none(served, run):
    server = served("--status-page-allow", "127.1.0.0/16", "--status-page-allow", "fd00::/8")
    assert status_of(server, source="127.1.2.3") == 200 and status_of(server) == 403
    done = run("check", "app:app", "--status-page", "/status", "--status-page-allow", "10.0.0.1/8")
    assert done.returncode == 2 and "--status-page-allow" in done.stderr and "behind the first 8" in done.stderr
    done = run("check", "app:app", "--status-page", "status")
    assert done.returncode == 2 and '--status-page' in done.stderr and 'must begin with "/"' in done.stderr


@pytest.mark.parametrize("field", ["X-Forwarded-For", "X-Real-IP"])
def test_those_behind_a_proxy_are_not_the_proxy(served, field):
    server = served()
    assert status_of(server, **{field: "127.0.0.1"}) == status_of(server, **{field: "::1"}) == 200
    assert status_of(server, **{field: "192.0.2.7"}) == 403
    assert status_of(server, **{field: "127.0.0.1, 192.0.2.7"}) == 403
    assert status_of(server, Forwarded='for="[2001:db8::1]:4711"') == 403
    assert status_of(server, Forwarded="for=127.0.0.1;proto=https") == 200


def test_a_unix_socket_is_local(served, tmp_path):
    path = tmp_path / "socket"
    served("--uds", path, "--status-page-allow", "192.0.2.0/24", port=None)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"GET /status?data HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert answer.status == 200 and json.load(answer)["state"] == "serving"


def test_figures_of_all_workers(served):
    server = served("--workers", 3)
    for status in (200, 200, 204, 302, 404, 404, 500):
        assert status_of(server, f"/{status}") == status
    data = {}

    def all_have_ended():
        """A request is counted then, which its client may know a moment before. Those for this page are counted, too,
        but for the present one."""
        data.update(data_of(server))
        counters = data["counters"]
        return sum(counters[f"requests_{n}xx"] for n in range(1, 6)) == 7 + counters["local_requests"] - 1

    eventually(all_have_ended)
    counters = data["counters"]
    asked = counters["local_requests"]
    assert [counters[f"requests_{n}xx"] for n in range(1, 6)] == [0, 3 + asked - 1, 1, 2, 1]
    assert counters["bytes_sent"] > 6000 and sum(data["buckets"]) == 7 + asked - 1
    assert [one["number"] for one in data["workers"]] == [1, 2, 3] and data["workers_wanted"] == 3
    assert sorted(one["pid"] for one in data["workers"]) == sorted(server.workers())
    assert all(one["state"] == "serving" and one["resident_bytes"] > 1 << 20 for one in data["workers"])
    assert 7 <= sum(one["requests"] for one in data["workers"]) <= 7 + asked
    assert data["resident_total"] >= sum(one["resident_bytes"] for one in data["workers"])
    assert asked >= 1 and data_of(server)["counters"]["local_requests"] == asked + 1


def test_moments_are_kept_and_asked_for_once(served):
    """Charts are there when a page is opened, and grow by what is new."""
    server = served("--workers", 2)

    def moments():
        status_of(server, "/404")
        return data_of(server)["history"]

    eventually(lambda: len(moments()) >= 2)
    first, second = moments()[:2]
    assert second["time"] - first["time"] >= 4000 and second["classes"][3] > first["classes"][3]
    assert data_of(server, f"/status?data={first['time']}")["history"][0] == second
    assert first not in data_of(server, f"/status?data={first['time']}")["history"]


# --- in a browser ---


class Page(Browser):
    """The status page of a server."""

    def shown(self):
        """Whether it has figures."""
        return not self.all("#main[hidden]")

    def table(self):
        """The cells of the workers' rows."""
        return self.driver.execute_script(
            "return [...document.querySelectorAll('#workers tbody tr')].map(r => [...r.cells].map(c => c.textContent))")

    def listed(self, title):
        """{name: text} of one of the lists."""
        return dict(self.driver.execute_script("""
            const card = [...document.querySelectorAll('#lists section')]
                .find(e => e.querySelector('h2').textContent === arguments[0]);
            return card ? [...card.querySelectorAll('dl div')].map(e => [...e.children].map(c => c.textContent)) : []""",
                                               title))

    def overflow(self):
        return self.driver.execute_script(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.fixture
def page(driver):  # noqa: F811
    """page(server) -> Page, with its figures there."""
    opened = []

    def open_page(server):
        browser = Page(driver, server.url)
        browser.size(DESK)
        browser.complaints()
        browser.open("/status")
        browser.until(browser.shown, "the figures")
        opened.append(browser)
        return browser

    yield open_page
    complaints = [each for browser in opened for each in browser.complaints()]
    driver.get("about:blank")
    assert complaints == []


def test_figures_change(served, page):
    server = served("--workers", 2)
    browser = page(server)
    assert browser.driver.title == "limpet – status" and browser.text("#name") == "limpet"
    assert browser.text("#state") == "Serving" and re.match(r"limpet \d+\.\d+\.\d+ · up \d+s", browser.text("#about"))
    assert [row[:2] for row in browser.table()] == [["1", "serving"], ["2", "serving"]]
    assert sorted(int(row[2]) for row in browser.table()) == sorted(server.workers())
    assert browser.listed("Requests by status")["5xx"] == "0" and browser.text("#now-errors-beside") == "none at all"
    for status, times in ((200, 20), (302, 4), (404, 7), (500, 3)):
        for _ in range(times):
            assert status_of(server, f"/{status}") == status
    browser.until(lambda: browser.listed("Requests by status").get("5xx") == "3", "the failed requests")
    listed = browser.listed("Requests by status")
    own = int(browser.listed("Since the start")["health, metrics, this page"])  # the one that asks, too: it goes on
    assert (listed["3xx"], listed["4xx"]) == ("4", "7") and 20 < int(listed["2xx"]) <= 20 + own
    assert browser.text("#now-errors-beside") == "3 in all"
    assert 34 < int(browser.text("#now-requests-beside").removesuffix(" in all")) <= 34 + own
    browser.until(lambda: "alert" in browser.one("#now-errors").get_attribute("class"), "the rate of errors")
    assert sum(int(row[4]) for row in browser.table()) > 34
    browser.until(lambda: len(browser.all("#charts .plot path")) >= 7, "lines in all charts")
    legend = browser.all("#charts .legend")[0].text
    assert "2xx" in legend and "5xx" in legend and "1xx" not in legend
    assert re.search(r"p99\s+\d+(\.\d+)? m?s", browser.all("#charts .legend")[1].text)
    assert re.search(r"\d+(\.\d+)? MB", browser.text("#now-memory"))


def test_a_worker_is_replaced_and_turned_away_requests_are_told(served, page):
    server = served("--workers", 1)
    browser = page(server)
    [before] = browser.table()
    with Peer(server) as peer:
        assert peer.ask(b"GET / HTTP/1.1\r\n\r\n").status == 400
    server.process.send_signal(signal.SIGUSR1)
    browser.until(lambda: browser.listed("Workers replaced") == {"on demand": "1"}, "the new worker")
    browser.until(lambda: browser.table()[-1][2] != before[2], "its row")
    browser.until(lambda: browser.listed("Requests turned away") == {"malformed": "1"}, "the reason")


def test_charts_by_keyboard_and_their_names(served, page):
    server = served()
    browser = page(server)
    browser.until(lambda: browser.all("#charts .plot path"), "a line")
    plots = browser.all("#charts .plot")
    assert [plot.get_attribute("role") for plot in plots] == ["img"] * 4
    for title, plot in zip(("Requests per second", "Latency", "Memory", "Bytes sent per second"), plots):
        browser.until(lambda: re.match(f"{title} in the last \\d+ min: now ", plot.get_attribute("aria-label")), title)
    plots[2].send_keys(Keys.ARROW_LEFT)
    told = "#charts figure:nth-child(3) [aria-live]"
    text = browser.all(told)[0].get_attribute("textContent")
    assert re.fullmatch(r"\d\d:\d\d:\d\d: all processes \d+(\.\d)? MB", text)
    assert browser.all("#charts figure:nth-child(3) .cross")
    plots[2].send_keys(Keys.ESCAPE)
    assert not browser.all("#charts figure:nth-child(3) .cross")
    unnamed = browser.driver.execute_script("""
        return [...document.querySelectorAll('section')].filter(e => e.checkVisibility())
            .filter(e => !e.ariaLabel && !e.ariaLabelledByElements?.length && !e.querySelector('h2')).length""")
    assert unnamed == 0


def test_a_restart_is_shown_and_healed(served, page):
    server = served("--workers", 1)
    for _ in range(3):
        status_of(server, "/404")
    browser = page(server)
    assert browser.listed("Requests by status")["4xx"] == "3"
    server.stop()
    browser.until(lambda: browser.all("body.away"), "the loss to be noticed")
    assert re.match(r"No connection since \d\d:\d\d:\d\d \(not reached\)", browser.text("#notice"))
    assert browser.text("#state") == "No connection" and browser.listed("Requests by status")["4xx"] == "3"
    served("--workers", 1, port=server.port)
    browser.until(lambda: not browser.all("body.away"), "the connection to be back")
    browser.until(lambda: browser.listed("Requests by status")["4xx"] == "0", "the new server's figures")
    assert browser.text("#state") == "Serving" and not browser.all("#notice:not([hidden])")
    complaints = browser.complaints()
    assert complaints and [each for each in complaints if AWAY not in each] == []


@pytest.mark.parametrize("answer, reason", [
    ("new Response('{', {status: 200})", "not understood"),
    ("new Response('{}', {status: 200})", "not understood"),
    ("new Response('no', {status: 403})", "the server answers 403"),
    ("Promise.reject(new DOMException('', 'TimeoutError'))", "no answer"),
], ids=["no JSON", "no figures", "forbidden", "late"])
def test_an_answer_that_is_none(served, page, answer, reason):
    browser = page(served())
    browser.driver.execute_script(f"window.real = fetch; window.fetch = async () => {answer}")
    browser.until(lambda: f"({reason})" in browser.text("#notice"), "the reason")
    browser.driver.execute_script("window.fetch = real")
    browser.until(lambda: not browser.all("body.away") and browser.text("#state") == "Serving", "the figures")


def test_texts_stay_texts(served, page):
    """What a worker's entry may hold, as the application's code can write there."""
    browser = page(served())
    hostile = '<img src=x onerror="hacked=1">' + "<b>wide" * 9
    browser.driver.execute_script("""
        window.real = fetch;
        window.fetch = async (...call) => {
          const data = await (await real(...call)).json();
          data.name = arguments[0];
          data.workers[0].state = arguments[0];
          for (const key of ["requests", "connections", "threads", "busy", "queued"]) data.workers[0][key] = 9999999;
          data.certificates = [{names: arguments[0], file: arguments[0], not_after: 4e9}];
          return new Response(JSON.stringify(data));
        }""", hostile)
    browser.until(lambda: browser.text("#name") == hostile, "the name")
    assert hostile in browser.text("#certificates .who") and browser.table()[0][1] == hostile
    assert browser.driver.execute_script("return window.hacked") is None
    assert browser.all("main img, header img, body script ~ script, main script") == []
    wide = {width: browser.size((width, 740)) or browser.overflow() for width in (320, 360, 480, 719, 721, 900, 1023, 1025)}
    browser.size(DESK)
    assert not any(wide.values()), wide


def test_the_policy_holds(served, page):
    browser = page(served())
    browser.driver.execute_script("""
        const script = document.createElement('script');
        script.textContent = 'window.hacked = 1';
        document.body.append(script);
        const image = new Image();
        image.src = location.origin + '/200';
        document.body.append(image)""")
    browser.until(lambda: browser.driver.execute_script("return window.hacked === undefined"), "nothing to happen")
    seen = []

    def both():
        seen.extend(browser.complaints())
        return all(any(f"{kind}-src" in each for each in seen) for kind in ("script", "img"))

    browser.until(both, "both to be refused")
    assert len(seen) == 2


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits(served, page, tmp_path, size, scheme):
    """Nothing is wider than the screen, and what has to be read can be."""
    server = served("--workers", 3)
    for status in (200, 302, 404, 500) * 5:
        status_of(server, f"/{status}")
    browser = page(server)
    browser.size(size, scheme)
    browser.until(lambda: browser.all("#charts .plot path"), "lines")
    assert browser.overflow() == 0
    background = browser.driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 200) == (scheme == "dark")
    assert contrast_of(browser) == []
    browser.picture(tmp_path / "status.png")
    browser.size(DESK)


# --- over TLS ---


@pytest.fixture
def secure(served, tmp_path):
    """(Server with a certificate for 12 days and one for 3, the first's Leaf, its Authority)"""
    authority = Authority(tmp_path)
    soon = authority.issue("localhost", names=["localhost", "127.0.0.1"], days=12)
    last = authority.issue("old.example", days=3)
    return served("--workers", 2, *options_of(soon, last)), soon, authority


def test_over_tls(secure):
    server, _, authority = secure
    context = ssl.create_default_context(cafile=authority.certificate)
    for target, kind in (("/status", "text/html; charset=utf-8"), ("/status?data", "application/json")):
        with urllib.request.urlopen(f"https://localhost:{server.port}{target}", timeout=30, context=context) as answer:
            assert answer.headers["Content-Type"] == kind
            body = answer.read()
    data = json.loads(body)
    assert data["counters"]["handshakes_full"] >= 1
    assert sorted(one["names"] for one in data["certificates"]) == ["localhost, 127.0.0.1", "old.example"]


def test_certificates_in_a_browser(secure, tmp_path):
    server, leaf, _ = secure
    public = openssl("pkey", "-in", leaf.key, "-pubout", "-outform", "DER")
    pin = base64.b64encode(hashlib.sha256(public).digest()).decode()
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"--ignore-certificate-errors-spki-list={pin}"):
        options.add_argument(flag)
    chromium = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        browser = Page(chromium, f"https://localhost:{server.port}")
        browser.open("/status")
        browser.until(browser.shown, "the figures")
        pills = {item.find_element("css selector", ".who").text.split("\n")[0]:
                 item.find_element("css selector", ".pill") for item in browser.all("#certificates li")}
        near, last = pills["localhost, 127.0.0.1"], pills["old.example"]
        assert near.text in ("11 days left", "12 days left") and near.get_attribute("data-state") == "near"
        assert last.text in ("2 days left", "3 days left") and last.get_attribute("data-state") == "over"
        assert int(browser.listed("TLS handshakes")["full"]) >= 1
        assert browser.complaints() == []
    finally:
        chromium.quit()


def test_a_packed_binary_has_it(packed, serve):
    server = serve("--status-page", "/-/status", binary=packed(ROOT / "apps/hello", name="hello"))
    answer, page = ask(server, "/-/status")
    assert answer.status == 200 and page.startswith(b"<!doctype html>")
    assert data_of(server, "/-/status?data")["name"] == "hello"
