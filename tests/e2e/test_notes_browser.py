"""The notes application in a real browser: headless Chromium on the packed binary.

Every test ends with a look at the browser's console, which has to be empty. Screenshots lie in the test's temporary
folder (pytest --basetemp=FOLDER keeps them where you like).
"""

import json
import re
import urllib.request

import pytest
from selenium import webdriver
from selenium.common.exceptions import (
    ElementNotInteractableException, StaleElementReferenceException, TimeoutException, WebDriverException)
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

pytestmark = pytest.mark.unsanitized(reason="it is about pages and their scripts")

WAIT_S = 60
PHONE, DESK = (360, 740), (1280, 800)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Browser:
    """A Chromium on one site. url: of the site, without a slash at its end; driver: Selenium's."""

    def __init__(self, driver, url):
        self.driver = driver
        self.url = url.rstrip("/")

    def open(self, path="/"):
        """Go to that path of the site."""
        self.driver.get(self.url + path)

    def until(self, condition, what):
        """Wait until condition() is true and return its value; what: the name of the hope, for the failure.

        A page that gives way to the next while it is asked answers with an inspector error: it is asked again.
        """

        def asked(_):
            try:
                return condition()
            except WebDriverException as error:
                if "inspector error" not in str(error):
                    raise
                return None

        ignored = (StaleElementReferenceException, ElementNotInteractableException)
        wait = WebDriverWait(self.driver, WAIT_S, poll_frequency=0.05, ignored_exceptions=ignored)
        return wait.until(asked, f"waited for {what}")

    def until_at(self, pattern):
        """Wait until the page at a path (with query) of that pattern is there, scripts included."""

        def arrived():
            here = self.driver.current_url.removeprefix(self.url)
            ready = self.driver.execute_script("return document.readyState") == "complete"
            return ready and re.fullmatch(pattern, here)

        self.until(arrived, pattern)

    def all(self, selector):
        """Return the elements that a CSS selector finds."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        """Wait for an element that is shown, and return it."""
        return self.until(lambda: next((e for e in self.all(selector) if e.is_displayed()), None), selector)

    def text(self, selector):
        """Return the text of the first element found, "" when there is none."""
        return next((element.text for element in self.all(selector)), "")

    def shows(self, selector, text):
        """Wait until the first element found has that text."""
        self.until(lambda: self.text(selector) == text, f"{selector} to be {text!r}")

    def has(self, selector, attribute, value):
        """Wait until the first element shown has that attribute."""
        self.until(lambda: self.one(selector).get_attribute(attribute) == value, f"{selector} with {attribute}={value}")

    def lists(self, names):
        """Wait until the page lists the notes of these names."""
        self.until(lambda: self.names() == names, f"the notes {names}")

    def picture(self, path):
        """Save a screenshot. A Chromium that is still swapping two pages gives up on the first: it is asked again."""
        try:
            self.driver.save_screenshot(str(path))
        except TimeoutException:
            self.driver.save_screenshot(str(path))

    def press(self, *keys):
        """Send keys to whatever has the focus, as soon as it takes them."""

        def send():
            self.driver.switch_to.active_element.send_keys(*keys)
            return True

        self.until(send, f"{keys} to be taken")

    def names(self):
        """Return the titles of the cards shown, in their order."""
        return self.driver.execute_script("return [...document.querySelectorAll('.card h3')].map(e => e.textContent)")

    def write(self, title, body):
        """Fill in the editor that is open."""
        self.one("#title").send_keys(title)
        self.one("#body").send_keys(body)

    def complaints(self):
        """Return what the console has gathered since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def size(self, size, colour_scheme="light"):
        """Look as a screen of that size (width, height in pixels) in that colour scheme does."""
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": colour_scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def scripts(self, allowed):
        """Let pages run scripts, or not."""
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not allowed})


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """A Chromium with an empty profile."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    chromium = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    yield chromium
    chromium.quit()


@pytest.fixture
def browser(driver, notes_server):
    """A Browser at the first page of a site without notes; what it complains about fails the test."""
    opened = Browser(driver, notes_server.url)
    opened.scripts(True)
    opened.size(DESK)
    driver.delete_all_cookies()
    opened.open()
    driver.execute_script("localStorage.clear()")
    opened.complaints()
    yield opened
    assert opened.complaints() == []
    driver.get("about:blank")  # not to be asked about unsaved text later


@pytest.fixture
def keep(notes_server):
    """keep(title, text, **more) makes a note by the JSON interface and returns its id."""

    def send(title, text="", **more):
        note = json.dumps({"title": title, "text": text, **more}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(notes_server.url.rstrip("/") + "/api/notes", note, headers)
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            return json.load(answer)["id"]

    return send


def test_the_first_note_by_keyboard(browser, notes_server):
    assert "Nothing here yet" in browser.text("main")
    browser.press("n")
    browser.until_at("/new")
    assert browser.driver.switch_to.active_element.get_attribute("id") == "body"
    browser.write("Tide table", "Low water at **06:12**\nHigh at 12:20")
    browser.press(Keys.CONTROL + Keys.ENTER)
    browser.until_at("/notes/1")
    browser.shows(".sheet h1", "Tide table")
    browser.shows(".prose strong", "06:12")
    assert (notes_server.folder / "notes.sqlite3").exists()
    browser.press(Keys.ESCAPE)
    browser.until_at("/")
    browser.lists(["Tide table"])


def test_edit_and_colour(browser, keep):
    keep("Draft", "old")
    browser.open("/notes/1")
    browser.press("e")
    browser.until_at("/notes/1/edit")
    body = browser.one("#body")
    body.clear()
    body.send_keys("new text")
    browser.all(".swatch")[4].click()
    assert "paper-sea" in browser.one("#editor").get_attribute("class")
    browser.one("#editor .primary").click()
    browser.until_at("/notes/1")
    browser.shows(".prose", "new text")
    assert "paper-sea" in browser.one(".sheet").get_attribute("class")


def test_what_is_written_is_saved_while_writing(browser):
    browser.open("/new")
    browser.write("", "Not to be lost")
    browser.until(lambda: browser.text("#saved") == "Saved", "the first save")
    browser.until_at("/notes/1/edit")
    browser.one("#body").send_keys(", not even this")
    browser.until(lambda: browser.text("#saved") == "", "the change to be noticed")
    browser.until(lambda: browser.text("#saved") == "Saved", "the second save")
    browser.shows("#cancel", "Close")
    browser.open("/notes/1/edit")
    browser.has("#body", "value", "Not to be lost, not even this")
    browser.open()
    assert len(browser.names()) == 1


def test_saving_by_hand_during_an_automatic_save(browser):
    browser.open("/new")
    hold = "const send = fetch; window.fetch = (...call) => new Promise(go => window.go = go).then(() => send(...call))"
    browser.driver.execute_script(hold)
    browser.write("", "only once")
    browser.until(lambda: browser.driver.execute_script("return Boolean(window.go)"), "a save to begin")
    browser.one("#editor .primary").click()
    browser.driver.execute_script("go()")
    browser.until_at("/notes/1")
    browser.shows(".prose", "only once")
    browser.open()
    assert len(browser.names()) == 1


def test_two_editors_lose_nothing(browser, keep):
    keep("Shared", "first")
    browser.open("/notes/1/edit")
    keep_url = f"{browser.url}/api/notes/1"
    other = json.dumps({"title": "Shared", "text": "from elsewhere"}).encode()
    request = urllib.request.Request(keep_url, other, {"Content-Type": "application/json"}, method="PUT")
    urllib.request.urlopen(request, timeout=WAIT_S).close()
    browser.one("#body").send_keys(" from here")
    browser.until(lambda: "Changed elsewhere" in browser.text("#saved"), "the conflict to be noticed")
    browser.one("#editor .primary").click()
    browser.one(".problem summary").click()
    assert "from elsewhere" in browser.text(".problem pre")
    assert "from here" in browser.one("#body").get_attribute("value")
    complaints = browser.complaints()
    assert len(complaints) == 2 and "412" in complaints[0] and "409" in complaints[1]
    browser.one("#editor .primary").click()
    browser.until_at("/notes/1")
    assert "from here" in browser.text(".prose")


def test_search_while_typing(browser, keep):
    keep("Gateway", "in the boathouse #harbour")
    keep("Groceries", "oats")
    browser.open()
    browser.press("/", "boat")
    browser.until(lambda: browser.names() == ["Gateway"], "the found note")
    browser.shows(".excerpt mark", "boathouse")
    assert browser.driver.find_element(By.ID, "status").get_attribute("textContent") == "1 note"
    browser.until_at(r"/\?q=boat")
    browser.press("zzz")
    browser.until(lambda: "No notes" in browser.text("#summary"), "nothing to be found")
    browser.one("#search").clear()
    browser.one("#search").send_keys("a", Keys.BACKSPACE)
    browser.until(lambda: len(browser.names()) == 2, "all notes again")
    browser.one(".tags .tag").click()
    browser.until_at(r"/\?q=%23harbour")
    browser.lists(["Gateway"])


def test_pin_and_unpin(browser, keep):
    keep("First")
    keep("Second")
    browser.open()
    browser.lists(["Second", "First"])
    browser.one('.pin[aria-label="Pin First"]').click()
    browser.until(lambda: browser.names() == ["First", "Second"], "the pinned note above")
    assert [heading.text.lower() for heading in browser.all(".group h2")] == ["pinned", "notes"]
    browser.has(".pin", "aria-pressed", "true")
    browser.open("/notes/1")
    browser.press("p")
    browser.until(lambda: browser.text('[aria-keyshortcuts="p"]') == "Pin", "the note to be unpinned")
    browser.open()
    browser.lists(["Second", "First"])


def test_delete_and_undo(browser, keep):
    keep("Keeper")
    keep("Mistake")
    browser.open("/notes/2")
    next(button for button in browser.all(".tools button") if button.text == "Delete").click()
    browser.until_at(r"/\?deleted=2")
    browser.lists(["Keeper"])
    browser.press("u")
    browser.until_at("/notes/2")
    browser.open()
    assert sorted(browser.names()) == ["Keeper", "Mistake"]
    browser.open("/deleted")
    assert "No deleted notes" in browser.text("main")


def test_tasks_are_ticked_in_place(browser, keep):
    keep("Layup", "- [ ] seacocks\n- [ ] anodes\n- [x] bilge")
    browser.open("/notes/1")
    browser.driver.execute_script("window.stayed = true")

    def ticked():
        return [box.get_attribute("aria-checked") for box in browser.all(".tick")]

    # Two clicks at once: the second must not be lost to the first.
    browser.driver.execute_script("for (const box of document.querySelectorAll('.tick')) box.click()")
    browser.until(lambda: ticked() == ["true", "true", "false"], "the ticks")
    assert browser.driver.execute_script("return window.stayed")
    browser.open("/notes/1")
    assert ticked() == ["true", "true", "false"]


def test_walking_by_keyboard_and_the_list_of_keys(browser, keep):
    for title in ("Third", "Second", "First"):
        keep(title)
    browser.open()
    browser.press("j")
    browser.press("j")
    browser.press("j")
    browser.press("k")
    assert browser.driver.switch_to.active_element.text == "Second"
    browser.press("p")
    browser.until(lambda: browser.names()[:1] == ["Second"], "the note under the cursor to be pinned")
    browser.until_at("/")
    browser.press("j")
    browser.press(Keys.ENTER)
    browser.until_at("/notes/2")
    browser.press("?")
    assert "Keyboard shortcuts" in browser.one("#help").text
    browser.one("#single-keys").click()
    browser.press(Keys.ESCAPE)
    browser.until(lambda: not browser.all("dialog[open]"), "the list to close")
    browser.press("e", "n")
    browser.open()
    browser.press("j")
    assert browser.driver.switch_to.active_element.tag_name == "body"


def test_hostile_text_stays_text(browser, keep):
    hostile = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
    keep(hostile, f"{hostile}\n- [ ] {hostile}\n[x](javascript:window.hacked=1)")
    for path in ("/", "/notes/1", "/notes/1/edit", "/?q=img"):
        browser.open(path)
        assert browser.driver.execute_script("return window.hacked") is None
        assert browser.all("main img, main script") == []
    browser.lists([hostile])


def test_everything_works_without_scripts(browser):
    browser.scripts(False)
    browser.open("/new")
    browser.write("Plain", "- [ ] task")
    browser.one("#editor .primary").click()
    browser.one(".tick").click()
    browser.has(".tick", "aria-checked", "true")
    browser.one('.tools [href$="/edit"]').click()
    browser.one("#title").send_keys(" and simple")
    browser.one("#editor .primary").click()
    browser.one("#search").send_keys("simp", Keys.ENTER)
    browser.shows(".card h3", "Plain and simple")
    browser.one(".pin").click()
    browser.has(".pin", "aria-pressed", "true")
    browser.one(".card h3 a").click()
    next(button for button in browser.all(".tools button") if button.text == "Delete").click()
    browser.one(".notice button").click()
    browser.shows(".sheet h1", "Plain and simple")
    assert not browser.one("footer").find_element(By.ID, "help-button").is_displayed()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_its_screen(browser, keep, tmp_path, scheme):
    keep("Unbreakable" * 18, "x" * 900 + " https://example.test/" + "path/" * 60, colour="rose")
    keep("Code", "```\n" + "a long line of code " * 30 + "\n```\n" + "> " + "quote " * 90, colour="violet", pinned=True)
    for number in range(8):
        keep(f"Note {number}", f"#tag{number}with" + "a" * 20, colour="amber")
    pages = {"list": "/", "search": "/?q=x", "note": "/notes/1", "code": "/notes/2", "edit": "/notes/1/edit"}
    pages |= {"new": "/new", "deleted": "/deleted", "undo": "/?deleted=1"}
    for name, path in pages.items():
        for device, size in (("phone", PHONE), ("desk", DESK)):
            browser.size(size, scheme)
            browser.open(path)
            browser.picture(tmp_path / f"{name}-{device}-{scheme}.png")
            excess = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert browser.driver.execute_script(excess) == 0, (name, device)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_paper(browser, keep, scheme):
    """WCAG AA: at least 4.5 to 1, for every text on every colour."""
    for colour in ("plain", "rose", "amber", "moss", "sea", "violet"):
        keep(colour, "text https://a.test #tag\n> quote\n- [x] done\n`code`", colour=colour)
    browser.size(DESK, scheme)
    for path in ("/", "/?q=text", *(f"/notes/{note}" for note in range(1, 7)), "/notes/2/edit", "/deleted"):
        browser.open(path)
        assert browser.driver.execute_script(FAINT_TEXTS) == [], path


# Returns [text, ratio] of the shown texts whose contrast is too low. Colours are drawn on a canvas layer by layer: it
# understands color-mix() and transparency, too.
FAINT_TEXTS = """
const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
const context = canvas.getContext("2d", { willReadFrequently: true });
function drawn(layers) {
  for (const layer of layers) { context.fillStyle = layer; context.fillRect(0, 0, 1, 1); }
  return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
}
function luminance(rgb) {
  const [r, g, b] = rgb.map(c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
const faint = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement, text = walker.currentNode.data.trim();
  if (!text || !element.checkVisibility() || element.closest(".hidden, .skip, dialog, script")) continue;
  const layers = [];
  for (let e = element; e; e = e.parentElement) layers.unshift(getComputedStyle(e).backgroundColor);
  const ground = luminance(drawn(["#fff", ...layers]));
  const ink = luminance(drawn(["#fff", ...layers, getComputedStyle(element).color]));
  const ratio = (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
  if (ratio < 4.5) faint.push([text, Math.round(ratio * 100) / 100]);
}
return faint;
"""
