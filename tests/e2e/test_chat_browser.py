"""apps/chat in a real browser: headless Chromium, two windows on the packed binary.

Every test ends with a look at the browser's console, which has to be empty but for connections that a stopped server
refused. Screenshots lie in the test's temporary folder (pytest --basetemp=FOLDER keeps them where you like).
"""

import pathlib
import re

import pytest
from selenium.webdriver.common.keys import Keys
from test_notes_browser import DESK, PHONE, Browser, driver  # noqa: F401

pytestmark = pytest.mark.unsanitized(reason="it is about pages and their scripts")

CHAT = pathlib.Path(__file__).resolve().parents[2] / "apps/chat"
# What Chromium says of a server that is away; only test_a_restart_is_shown_and_healed allows it.
AWAY = re.compile(r"WebSocket connection to .* failed|ERR_CONNECTION_REFUSED")


class Windows(Browser):
    """Two windows of one browser, by the names of who sits before them."""

    def __init__(self, driver, url):
        super().__init__(driver, url)
        self._first = driver.current_window_handle
        self._handles = {}

    def enter(self, name, room="harbour"):
        """Somebody enters a room by the front door, in a new window."""
        self.driver.switch_to.new_window("window")
        self._handles[name] = self.driver.current_window_handle
        self.size(DESK)
        self.open()
        self.one("#my-name").clear()
        self.one("#my-name").send_keys(name)
        self.one("#my-room").send_keys(room, Keys.ENTER)
        self.connected()

    def sit(self, name):
        """Go to somebody's window."""
        self.driver.switch_to.window(self._handles[name])

    def connected(self):
        self.has("#state", "data-state", "open")

    def say(self, *keys):
        self.one("#text").send_keys(*keys, Keys.ENTER)

    def said(self):
        """What the messages say, in their order."""
        return self.driver.execute_script("return [...document.querySelectorAll('.said')].map(e => e.textContent)")

    def events(self):
        """What is told between them."""
        return self.driver.execute_script("return [...document.querySelectorAll('.event')].map(e => e.textContent)")

    def heard(self, *texts):
        self.until(lambda: self.said() == list(texts), f"the messages {texts}")

    def people(self):
        return self.driver.execute_script(
            "return [...document.querySelectorAll('#people-list li span:last-child')].map(e => e.textContent)")

    def here(self, *names):
        self.until(lambda: self.people() == list(names), f"{names} to be here")

    def forget(self):
        """Close all windows but the first."""
        for handle in self.driver.window_handles:
            if handle != self._first:
                self.driver.switch_to.window(handle)
                self.driver.close()
        self.driver.switch_to.window(self._first)


@pytest.fixture
def server(packed, serve):
    return serve(binary=packed(CHAT, name="chat"))


@pytest.fixture
def windows(driver, server):  # noqa: F811
    """The Windows on a server without rooms; what the console complains about fails the test."""
    opened = Windows(driver, server.url)
    opened.open()
    driver.execute_script("localStorage.clear()")
    opened.complaints()
    yield opened
    complaints = opened.complaints()
    opened.forget()
    driver.get("about:blank")
    assert complaints == []


def test_two_windows_talk(windows):
    windows.enter("Ada", "Harbour Watch")
    assert windows.text("#room-name") == "harbour-watch" and windows.driver.title == "harbour-watch – Chat"
    assert windows.driver.switch_to.active_element.get_attribute("id") == "text"
    windows.enter("Grace", "harbour-watch")
    windows.here("Ada", "Grace (you)")
    windows.say("Low water at 06:12")
    windows.heard("Low water at 06:12")
    windows.say("first line", Keys.SHIFT + Keys.ENTER + Keys.NULL, "second line")
    windows.sit("Ada")
    windows.here("Ada (you)", "Grace")
    windows.heard("Low water at 06:12", "first line\nsecond line")
    assert windows.events() == ["Today", "Grace came in"]
    windows.say("Thanks")
    windows.sit("Grace")
    windows.heard("Low water at 06:12", "first line\nsecond line", "Thanks")
    assert [e.text for e in windows.all(".who b") if e.is_displayed()] == ["You", "Ada"]
    windows.driver.refresh()
    windows.heard("Low water at 06:12", "first line\nsecond line", "Thanks")
    windows.here("Ada", "Grace (you)")
    windows.sit("Ada")
    windows.open()
    windows.until(lambda: windows.text("#open-rooms") == "#harbour-watch\n1 person", "the list of rooms")
    windows.one("#open-rooms a").click()
    windows.heard("Low water at 06:12", "first line\nsecond line", "Thanks")


def test_another_name(windows):
    windows.enter("Ada")
    windows.enter("Ada")
    windows.here("Ada", "Ada 2 (you)")
    windows.one("#rename-button").click()
    field = windows.one("#ask-name")
    field.clear()
    field.send_keys("Grace", Keys.ENTER)
    windows.here("Ada", "Grace (you)")
    windows.say("I am Grace")
    windows.until(lambda: "You are Grace now" in windows.events(), "the new name")


def test_a_restart_is_shown_and_healed(windows, server, serve, packed):
    """What is written meanwhile is said afterwards, once, and what was said before stays on the page."""
    windows.enter("Grace")
    windows.enter("Ada")
    windows.say("before")
    windows.heard("before")
    windows.until(lambda: not windows.all(".pending"), "it to be sent")
    server.stop()
    windows.has("#state", "data-state", "waiting")
    assert windows.text("#state-text").startswith(("The server is starting again", "Connection lost"))
    windows.say("meanwhile")
    windows.heard("before", "meanwhile")
    windows.shows(".pending .fate", "Waiting for the connection")
    serve(binary=packed(CHAT, name="chat"), port=server.port)
    windows.connected()
    windows.until(lambda: not windows.all(".pending"), "the message to be sent")
    windows.heard("before", "meanwhile")
    assert any("started again" in event for event in windows.events())
    windows.sit("Grace")
    windows.connected()
    windows.until(lambda: sorted(windows.people()) == ["Ada", "Grace (you)"], "everybody to be back")
    windows.heard("before", "meanwhile")
    complaints = windows.complaints()
    assert [each for each in complaints if not AWAY.search(each)] == []


def test_hostile_text_stays_text(windows):
    hostile = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
    windows.enter("<b>Mallory</b>")
    windows.say(hostile)
    windows.say("javascript:window.hacked=1 https://a.test/?q=\"onclick=window.hacked=1 http://b.test/x.")
    windows.enter("Ada")
    windows.until(lambda: len(windows.said()) == 2, "both messages")
    for name in ("Ada", "<b>Mallory</b>"):
        windows.sit(name)
        assert windows.said()[0] == hostile
        assert windows.driver.execute_script("return window.hacked") is None
        assert windows.all(".log img, .log script, .log b b, #people b") == []
        links = [link.get_attribute("href") for link in windows.all(".said a")]
        assert links == ["https://a.test/?q=", "http://b.test/x"]


def test_unread_messages_are_counted_and_scrolled_readers_left_alone(windows):
    windows.enter("Ada")
    windows.size((1280, 360))
    for number in range(8):
        windows.say(f"number {number}")
    windows.until(lambda: not windows.all(".pending"), "all of it to be sent")
    scroller = "document.querySelector('#scroller')"
    windows.driver.execute_script(f"{scroller}.scrollTop = 0")
    windows.until(lambda: windows.driver.execute_script(f"return {scroller}.scrollTop") == 0, "the top")
    windows.enter("Grace")
    windows.say("down there")
    windows.heard(*[f"number {number}" for number in range(8)], "down there")
    windows.sit("Ada")
    windows.one("#latest").click()
    windows.until(lambda: not windows.all("#latest:not([hidden])"), "the button to go")
    below = f"return {scroller}.scrollHeight - {scroller}.scrollTop - {scroller}.clientHeight"
    assert windows.driver.execute_script(below) < 2


def test_keyboard_and_screen_readers(windows):
    windows.enter("Ada")
    assert windows.one("#log").get_attribute("role") == "log"
    unnamed = windows.driver.execute_script("""
        return [...document.querySelectorAll('button, a, input, textarea')].filter(e => e.checkVisibility())
            .filter(e => !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length)).length""")
    assert unnamed == 0
    windows.press(Keys.TAB)
    assert windows.driver.switch_to.active_element.get_attribute("aria-label") == "Send"
    windows.size(PHONE)
    windows.one("#people-button").click()
    assert windows.driver.switch_to.active_element.get_attribute("id") == "people-close"
    windows.has("#people-button", "aria-expanded", "true")
    windows.press(Keys.ESCAPE)
    windows.has("#people-button", "aria-expanded", "false")
    assert windows.driver.switch_to.active_element.get_attribute("id") == "people-button"


def test_a_room_by_its_address_asks_for_a_name(windows):
    windows.driver.switch_to.new_window("window")
    windows.open("/room/quiet")
    windows.one("#ask-name").send_keys("Ada", Keys.ENTER)
    windows.connected()
    windows.here("Ada (you)")
    assert "Nobody has said anything" in windows.text("#quiet")


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits(windows, tmp_path, size, scheme):
    """Nothing is wider than the screen, and what has to be read can be."""
    windows.enter("Grace Hopper")
    windows.say("Low water at 06:12, see https://tides.example/harbour/" + "x" * 90)
    windows.enter("Ada")
    windows.say("Thanks! " + "A long answer that has to wrap. " * 6)
    windows.until(lambda: not windows.all(".pending"), "it to be sent")
    windows.size(size, scheme)
    for name, path in (("room", None), ("lobby", "/")):
        if path:
            windows.open(path)
            windows.one("#open")
        wide = windows.driver.execute_script("return document.documentElement.scrollWidth")
        assert wide <= size[0], name
        windows.picture(tmp_path / f"{name}.png")
    assert contrast_of(windows) == []


def contrast_of(windows):
    """Texts of the page whose contrast with what is behind them is below 4.5 (WCAG 2.2, 1.4.3)."""
    return windows.driver.execute_script("""
        const light = (text) => {
          const [r, g, b] = text.match(/[\\d.]+/g).map(Number).map((v) => v / 255)
            .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const behind = (e) => {
          const colour = getComputedStyle(e).backgroundColor;
          return colour === "rgba(0, 0, 0, 0)" && e.parentElement ? behind(e.parentElement) : colour;
        };
        return [...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() && e.getClientRects().length)
          .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
          .filter((e) => {
            const pair = [light(getComputedStyle(e).color), light(behind(e))].sort((a, b) => b - a);
            return (pair[0] + 0.05) / (pair[1] + 0.05) < 4.5;
          }).map((e) => e.textContent.trim());""")
