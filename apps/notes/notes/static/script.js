// What pages can do beyond their forms: keys, search while typing, saving while writing, times in
// the reader's zone. Everything works without this file, only with more page loads.
"use strict";

const SEARCH_PAUSE_MS = 180;
const SAVE_PAUSE_MS = 1200;

const find = (selector, root = document) => root.querySelector(selector);
const findAll = (selector, root = document) => [...root.querySelectorAll(selector)];

// Tell readers of the screen what changed.
function say(text) {
  find("#status").textContent = text;
}

// Call action when nothing has asked for it again for that many milliseconds.
function whenQuiet(milliseconds, action) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(action, milliseconds);
  };
}

// --- times

// Names and seconds, the longest first.
const UNITS = [
  ["year", 31536000],
  ["month", 2592000],
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];

function ago(date) {
  const seconds = (date - Date.now()) / 1000;
  const found = UNITS.find(([, size]) => -seconds >= size);
  if (!found) {
    return "just now";
  }
  const [unit, size] = found;
  const format = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  return format.format(Math.trunc(seconds / size), unit);
}

function showTimes(root) {
  for (const time of findAll("time", root)) {
    const date = new Date(time.dateTime);
    time.title = date.toLocaleString();
    time.textContent = ago(date);
  }
}

// --- parts of pages

// Return the page at that address as a document, times already in the reader's zone.
async function load(address, options) {
  const response = await fetch(address, options);
  if (!response.ok) {
    throw new Error(`${address}: ${response.status}`);
  }
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  showTimes(page);
  return page;
}

function searchWhileTyping(field) {
  let asked = 0;
  const search = async () => {
    const number = ++asked;
    const query = field.value.trim();
    const address = query ? `/?q=${encodeURIComponent(query)}` : "/";
    try {
      const page = await load(address);
      if (number === asked) {
        showResults(page, address);
      }
    } catch {
      say("Searching failed; press Enter to try again.");
    }
  };
  // Elsewhere it would put the list in the place of what is being read or written.
  if (location.pathname === "/") {
    field.addEventListener("input", whenQuiet(SEARCH_PAUSE_MS, search));
  }
}

function showResults(page, address) {
  find("#main").replaceChildren(...find("#main", page).childNodes);
  document.title = page.title;
  history.replaceState(null, "", address);
  say(find("#summary")?.textContent || "All notes");
}

// Tasks are ticked one after the other: each needs the revision that the one before has made.
function tickInPlace() {
  let last = Promise.resolve();
  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (event.target.id !== "text" || !button) {
      return;
    }
    event.preventDefault();
    last = last.then(() => tick(button.value));
  });
}

async function tick(line) {
  const form = find("#text");
  const fields = new URLSearchParams(new FormData(form));
  fields.set("line", line);
  try {
    const page = await load(form.action, { method: "POST", body: fields });
    form.replaceWith(find("#text", page));
    find(`#task-${line}`)?.focus();
  } catch {
    location.reload();
  }
}

// --- the editor

// Saves while the person writes. A new note is made at the first save, later ones replace it.
class Autosave {
  constructor(form) {
    this.form = form;
    this.changed = false;
    this.running = null;
    this.stopped = false;
    this.soon = whenQuiet(SAVE_PAUSE_MS, () => this.save());
    form.addEventListener("input", () => {
      this.changed = true;
      this.show("");
      this.soon();
    });
    form.addEventListener("submit", (event) => this.submit(event));
    addEventListener("beforeunload", (event) => this.changed && event.preventDefault());
  }

  show(text) {
    find("#saved").textContent = text;
  }

  // Sends what is there now, a little later if a save is under way.
  async save() {
    if (this.running) {
      this.soon();
      return;
    }
    const fields = new FormData(this.form);
    const empty = !fields.get("title").trim() && !fields.get("body").trim();
    if (this.stopped || empty) {
      return;
    }
    this.changed = false;
    this.running = this.send(fields);
    await this.running;
    this.running = null;
  }

  async send(fields) {
    const id = this.form.getAttribute("action").split("/")[2];
    const headers = { "Content-Type": "application/json" };
    if (id) {
      headers["If-Match"] = `"${fields.get("revision")}"`;
    }
    const note = {
      title: fields.get("title"),
      text: fields.get("body"),
      colour: fields.get("colour"),
      pinned: fields.has("pinned"),
    };
    try {
      const response = await fetch(id ? `/api/notes/${id}` : "/api/notes", {
        method: id ? "PUT" : "POST",
        headers,
        body: JSON.stringify(note),
      });
      this.took(response.status, await response.json());
    } catch {
      this.failed("Not saved: no connection");
    }
  }

  took(status, answer) {
    if (status === 412) {
      this.stopped = true;
      this.failed("Changed elsewhere: save to compare");
    } else if (status !== 200 && status !== 201) {
      this.failed(`Not saved: ${answer.error}`);
    } else {
      this.saved(answer);
    }
  }

  failed(text) {
    this.changed = true;
    this.show(text);
  }

  // From here on the form belongs to the note that was kept.
  saved(note) {
    this.form.action = `/notes/${note.id}`;
    this.form.elements.revision.value = note.revision;
    history.replaceState(null, "", `/notes/${note.id}/edit`);
    const cancel = find("#cancel");
    cancel.href = `/notes/${note.id}`;
    cancel.textContent = "Close";
    this.show("Saved");
  }

  // The form has to carry the last revision, so it waits for a save that is under way.
  async submit(event) {
    if (this.running) {
      event.preventDefault();
      await this.running;
      this.form.requestSubmit();
      return;
    }
    this.stopped = true;
    this.changed = false;
  }
}

function showColour(form) {
  form.addEventListener("change", (event) => {
    if (event.target.name === "colour") {
      form.className = `sheet paper-${event.target.value}`;
    }
  });
}

// --- keys

const TYPING = "input:not([type=radio], [type=checkbox]), textarea, select";

// Elements name their key themselves (aria-keyshortcuts): fields get the focus, others a click.
function press(key) {
  const target = find(`[aria-keyshortcuts="${CSS.escape(key)}"]`);
  if (target?.matches(TYPING)) {
    target.focus();
    target.select();
  } else {
    target?.click();
  }
  return Boolean(target);
}

// Move the focus to the next or the previous card.
function walk(step) {
  const links = findAll(".card h3 a");
  const at = links.indexOf(document.activeElement);
  const next = at < 0 ? (step > 0 ? 0 : links.length - 1) : at + step;
  links[next]?.focus();
  links[next]?.scrollIntoView({ block: "nearest" });
  return links.length > 0;
}

// On a card, e and p mean the note of that card.
function pressOnCard(key) {
  const card = document.activeElement?.closest(".card");
  if (card && key === "p") {
    find(".pin", card).click();
  } else if (card && key === "e") {
    location.href = `${find("h3 a", card).getAttribute("href")}/edit`;
  }
  return Boolean(card) && "pe".includes(key);
}

function singleKeysWanted() {
  return localStorage.getItem("single-keys") !== "off";
}

function onKey(event) {
  const typing = event.target.matches(TYPING);
  if (event.isComposing || event.altKey || find("dialog[open]")) {
    return;
  }
  if (event.ctrlKey || event.metaKey) {
    if (event.key === "Enter" && press("Control+Enter")) {
      event.preventDefault();
    }
    return;
  }
  if (event.key === "Escape") {
    typing ? event.target.blur() : press("Escape");
    return;
  }
  const steps = { j: 1, k: -1 };
  if (!typing && event.key.length === 1 && singleKeysWanted()) {
    const step = steps[event.key];
    if (step ? walk(step) : pressOnCard(event.key) || press(event.key)) {
      event.preventDefault();
    }
  }
}

function helpDialog() {
  const button = find("#help-button");
  const choice = find("#single-keys");
  button.hidden = false;
  button.addEventListener("click", () => find("#help").showModal());
  choice.checked = singleKeysWanted();
  choice.addEventListener("change", () => {
    localStorage.setItem("single-keys", choice.checked ? "on" : "off");
  });
}

// --- start

showTimes(document);
helpDialog();
searchWhileTyping(find("#search"));
tickInPlace();
document.addEventListener("keydown", onKey);

const editor = find("#editor");
if (editor) {
  new Autosave(editor);
  showColour(editor);
}

// A page out of the browser's memory may show notes as they were: load it again.
addEventListener("pageshow", (event) => event.persisted && location.reload());
