// A room in a browser: one WebSocket, held open as well as it can be, and what it says as a page.
// Nothing of it becomes HTML: all text goes into text nodes.
"use strict";

const BACKOFF_MS = [250, 30000]; // the first pause before connecting again, and the longest
const BEAT_MS = 25000; // a connection that leaves a beat unanswered for as long again is dead
const GROUP_MS = 5 * 60000; // what one person says within it has one heading
const TEXT_LIMIT = 2000;
const LINES_LIMIT = 1000; // lines of the log that are kept

const find = (selector) => document.querySelector(selector);

// --- kept in this browser

function kept(storage, key, make) {
  try {
    const value = storage.getItem(key) ?? make();
    storage.setItem(key, value);
    return value;
  } catch {
    return make(); // storage is switched off
  }
}

function keepName(name) {
  try {
    localStorage.setItem("chat.name", name);
  } catch {
    // It is asked for again next time.
  }
}

function random() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// --- elements

function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

// Fill an element with text whose addresses can be followed.
function fill(target, text) {
  let end = 0;
  for (const match of text.matchAll(/https?:\/\/[^\s<>"]+[^\s<>".,;:!?'()[\]{}]/gi)) {
    target.append(text.slice(end, match.index));
    const link = element("a", "", match[0]);
    link.href = match[0];
    link.rel = "noopener noreferrer nofollow";
    link.target = "_blank";
    target.append(link);
    end = match.index + match[0].length;
  }
  target.append(text.slice(end));
}

function avatar(person) {
  const made = element("span", "avatar", [...person.name][0].toUpperCase());
  made.style.setProperty("--hue", (parseInt(person.id.slice(0, 4), 16) % 24) * 15);
  made.setAttribute("aria-hidden", "true");
  return made;
}

const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat([], { weekday: "long", day: "numeric", month: "long" });

// --- the connection

// Stays connected: opens again after every end, after pauses that grow.
// heard(message), changed(state, text), taken(): another window has our place; hello() makes the
// first message.
class Line {
  constructor(address, { hello, heard, changed, taken }) {
    this.address = address;
    this.hello = hello;
    this.heard = heard;
    this.changed = changed;
    this.taken = taken;
    this.pause = BACKOFF_MS[0];
    this.open();
    addEventListener("online", () => this.now());
    document.addEventListener("visibilitychange", () => !document.hidden && this.now());
    addEventListener("pagehide", () => this.socket?.close(1000));
    addEventListener("pageshow", (event) => event.persisted && this.now());
  }

  open() {
    clearTimeout(this.timer);
    this.timer = 0;
    const socket = new WebSocket(this.address);
    this.socket = socket;
    socket.onopen = () => this.send(this.hello());
    socket.onmessage = (event) => {
      if (socket === this.socket) {
        this.alive = true;
        this.take(JSON.parse(event.data));
      }
    };
    socket.onclose = (event) => socket === this.socket && this.closed(event);
  }

  take(message) {
    if (message.type === "welcome") {
      this.pause = BACKOFF_MS[0];
      this.welcome = true;
      this.beat();
      this.changed("open", "Connected");
    }
    if (message.type !== "beat") {
      this.heard(message);
    }
  }

  // Tell whether it was sent.
  send(message) {
    if (this.socket?.readyState !== WebSocket.OPEN) {
      return false;
    }
    this.socket.send(JSON.stringify(message));
    return true;
  }

  // Ask now and then whether somebody is there: a network that vanished says nothing by itself.
  beat() {
    clearInterval(this.beats);
    this.alive = true;
    this.beats = setInterval(() => {
      if (!this.alive) {
        const dead = this.socket;
        this.socket = null;
        dead.close();
        this.closed({ code: 1006, reason: "" });
        return;
      }
      this.alive = false;
      this.send({ type: "beat" });
    }, BEAT_MS);
  }

  closed({ code, reason }) {
    clearInterval(this.beats);
    this.welcome = false;
    if (code === 1008) {
      this.changed("stopped", reason || "Refused");
      return;
    }
    if (code === 4002) {
      this.taken(); // by a copy of this tab
      this.wait("Open in another window");
      return;
    }
    const why = { 1001: "The server is starting again", 1012: "The server is starting again", 1013: reason };
    this.wait(why[code] || "Connection lost");
  }

  // Connect again after the pause, which differs from browser to browser: a server that comes back
  // is not to meet all of them at once.
  wait(why) {
    const pause = this.pause * (0.5 + Math.random());
    this.pause = Math.min(this.pause * 2, BACKOFF_MS[1]);
    this.changed("waiting", pause < 2000 ? `${why}…` : `${why}, next try in ${Math.round(pause / 1000)} s`);
    this.timer = setTimeout(() => this.open(), pause);
  }

  // Do not wait any longer, where it waits.
  now() {
    if (this.timer) {
      this.pause = BACKOFF_MS[0];
      this.open();
    }
  }
}

// --- what was said

class Log {
  constructor(list, scroller) {
    this.list = list;
    this.scroller = scroller;
    this.day = "";
    this.last = null; // the message before
    this.pending = new Map(); // key -> {message, item}: sent, not yet heard
    scroller.addEventListener("scroll", () => this.follow() && this.atLatest());
    new ResizeObserver(() => this.following && this.toLatest()).observe(scroller);
    this.following = true;
  }

  // Tell whether the reader is at the end.
  follow() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    this.following = scrollHeight - scrollTop - clientHeight < 60;
    return this.following;
  }

  toLatest() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.following = true;
    this.atLatest();
  }

  atLatest() {
    find("#latest").hidden = true;
  }

  add(item) {
    const following = this.following;
    this.list.append(item);
    while (this.list.children.length > LINES_LIMIT) {
      this.list.firstElementChild.remove();
    }
    find("#quiet").hidden = true;
    if (following) {
      this.toLatest();
    } else {
      find("#latest").hidden = false;
    }
  }

  event(text) {
    this.date(Date.now());
    this.last = null;
    this.add(element("li", "event", text));
  }

  // Say the day where it is another one than before.
  date(milliseconds) {
    const date = calendar.format(milliseconds);
    if (date !== this.day) {
      this.day = date;
      this.last = null;
      this.add(element("li", "event day", date === calendar.format(Date.now()) ? "Today" : date));
    }
  }

  // Show a message; mine: whether this tab has said it.
  message(message, mine) {
    const waiting = mine && this.pending.get(message.key);
    if (waiting) {
      this.pending.delete(message.key);
      this.settle(waiting.item, "", "");
      this.stamp(waiting.item, message.time);
      return;
    }
    this.add(this.item(message, mine));
  }

  // Show what is on its way.
  send(message) {
    const item = this.item(message, true);
    this.pending.set(message.key, { message, item });
    this.settle(item, "pending", "");
    this.add(item);
    this.toLatest();
  }

  // What became of a message: className "pending", "failed" or "" for said.
  settle(item, className, text) {
    item.classList.remove("pending", "failed");
    if (className) {
      item.classList.add(className);
    }
    item.querySelector(".fate").textContent = text;
  }

  // There is no connection yet.
  waiting(key) {
    this.settle(this.pending.get(key).item, "pending", "Waiting for the connection");
  }

  refused({ key, why }, again) {
    const waiting = this.pending.get(key);
    if (!waiting) {
      return false;
    }
    this.settle(waiting.item, "failed", `Not sent. ${why} `);
    const button = element("button", "", "Send again");
    button.type = "button";
    button.onclick = () => {
      this.settle(waiting.item, "pending", "");
      again(waiting.message);
    };
    waiting.item.querySelector(".fate").append(button);
    return true;
  }

  item(message, mine) {
    this.date(message.time);
    const last = this.last;
    const again = last && last.from === message.from && last.name === message.name && message.time - last.time < GROUP_MS;
    this.last = message;
    const item = element("li", `message${mine ? " mine" : ""}${again ? " again" : ""}`);
    const who = element("p", "who");
    who.append(element("b", "", mine ? "You" : message.name), element("time"));
    const said = element("div", "said");
    said.dir = "auto";
    fill(said, message.text);
    item.append(avatar({ id: message.from, name: message.name }), who, said, element("p", "fate"));
    this.stamp(item, message.time);
    return item;
  }

  stamp(item, milliseconds) {
    const time = item.querySelector("time");
    time.dateTime = new Date(milliseconds).toISOString();
    time.textContent = clock.format(milliseconds);
    item.querySelector(".said").title = new Date(milliseconds).toLocaleString();
  }
}

// --- a room

class Room {
  constructor(name) {
    this.name = name;
    this.me = { id: "", name: kept(localStorage, "chat.name", () => "") };
    this.tab = kept(sessionStorage, "chat.tab", random);
    this.epoch = "";
    this.since = 0;
    this.unread = 0;
    this.here = [];
    this.log = new Log(find("#log"), find("#scroller"));
    find("#room").hidden = false;
    find("#room-name").textContent = name;
    this.title();
    this.wire();
    this.ask(() => this.connect());
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const address = `${scheme}://${location.host}/talk/${encodeURIComponent(this.name)}`;
    this.line = new Line(address, {
      hello: () => ({ type: "hello", tab: this.tab, name: this.me.name, epoch: this.epoch, since: this.since }),
      heard: (message) => this[message.type]?.(message),
      changed: (state, text) => this.state(state, text),
      taken: () => (this.tab = random()),
    });
    find("#text").focus();
  }

  // --- what the server says

  welcome({ you, name, epoch, people, messages, gap }) {
    const restarted = this.epoch && this.epoch !== epoch;
    if (restarted) {
      this.log.event("The server was started again. What is above, only this window remembers.");
    } else if (this.epoch && gap) {
      this.log.event("More was said meanwhile than the room remembers.");
    }
    Object.assign(this, { epoch, me: { id: you, name } });
    this.since = restarted ? 0 : this.since;
    for (const message of messages) {
      this.message(message);
    }
    find("#quiet").hidden = find("#log").children.length > 0;
    this.people(people);
    for (const { message, item } of this.log.pending.values()) {
      if (item.classList.contains("pending")) {
        this.line.send(message);
      }
    }
  }

  message(message) {
    const mine = message.from === this.me.id;
    this.since = Math.max(this.since, message.id);
    this.log.message(message, mine);
    if (document.hidden && !mine) {
      this.unread += 1;
      this.title();
    }
  }

  joined({ name, people }) {
    this.log.event(`${name} came in`);
    this.people(people);
  }

  left({ name, people }) {
    this.log.event(`${name} left`);
    this.people(people);
  }

  renamed({ id, name, people }) {
    const before = this.here.find((person) => person.id === id);
    this.log.event(id === this.me.id ? `You are ${name} now` : `${before ? before.name : "Somebody"} is ${name} now`);
    if (id === this.me.id) {
      this.me.name = name;
      keepName(name);
    }
    this.people(people);
  }

  refused(message) {
    if (!this.log.refused(message, (again) => this.line.send(again))) {
      find("#say-problem").textContent = message.why;
    }
  }

  // --- what is shown

  state(state, text) {
    find("#state").dataset.state = state;
    find("#state-text").textContent = text;
    if (state === "stopped") {
      this.ask((name) => {
        this.me.name = name;
        keepName(name);
        this.line.open();
      }, true);
    }
  }

  people(people) {
    this.here = people;
    const items = people.map((person) => {
      const item = element("li");
      item.append(avatar(person), element("span", "", person.id === this.me.id ? `${person.name} (you)` : person.name));
      return item;
    });
    find("#people-list").replaceChildren(...items);
    find("#people-count").textContent = people.length;
    find("#people-title").textContent = `Here now: ${people.length}`;
  }

  title() {
    document.title = `${this.unread ? `(${this.unread}) ` : ""}${this.name} – Chat`;
  }

  // --- what the person does

  say() {
    const field = find("#text");
    const text = field.value.trim();
    find("#say-problem").textContent = "";
    if (!text) {
      return;
    }
    if (text.length > TEXT_LIMIT) {
      find("#say-problem").textContent = `That is too long: ${TEXT_LIMIT} characters are the most.`;
      return;
    }
    const message = { type: "say", key: random(), text };
    this.log.send({ ...message, from: this.me.id, name: this.me.name, time: Date.now() });
    if (!this.line.welcome) {
      this.log.waiting(message.key);
    } else {
      this.line.send(message);
    }
    field.value = "";
    this.grow();
  }

  grow() {
    const field = find("#text");
    if (!CSS.supports("field-sizing", "content")) {
      field.style.height = "auto";
      field.style.height = `${field.scrollHeight + 2}px`;
    }
    const left = TEXT_LIMIT - field.value.length;
    find("#count").textContent = left < 200 ? `${left} left` : "";
    find("#count").classList.toggle("over", left <= 0);
  }

  // Ask for a name where there is none yet, or for another one; then do what follows.
  ask(then, again = false) {
    if (this.me.name && !again) {
      then();
      return;
    }
    const dialog = find("#ask");
    find("#ask-name").value = this.me.name;
    find("#ask-title").textContent = again ? "Another name" : "Who are you?";
    find("#ask-cancel").hidden = !again;
    dialog.oncancel = (event) => !again && event.preventDefault();
    find("#ask-cancel").onclick = () => dialog.close();
    find("#ask-form").onsubmit = (event) => {
      const name = find("#ask-name").value.trim();
      if (!name) {
        event.preventDefault();
        return;
      }
      if (!again) {
        this.me.name = name;
        keepName(name);
      }
      then(name);
    };
    dialog.showModal();
    find("#ask-name").select();
  }

  showPeople(shown) {
    find("#people").classList.toggle("shown", shown);
    find("#people-button").setAttribute("aria-expanded", shown);
    (shown ? find("#people-close") : find("#people-button")).focus();
  }

  wire() {
    const field = find("#text");
    field.addEventListener("input", () => this.grow());
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.say();
      }
    });
    find("#say").addEventListener("submit", (event) => {
      event.preventDefault();
      this.say();
      field.focus();
    });
    find("#latest").onclick = () => this.log.toLatest();
    find("#people-button").onclick = () => this.showPeople(!find("#people").classList.contains("shown"));
    find("#people-close").onclick = () => this.showPeople(false);
    find("#rename-button").onclick = () => this.ask((name) => this.line.send({ type: "name", name }), true);
    addEventListener("keydown", (event) => {
      if (event.key === "Escape" && find("#people").classList.contains("shown")) {
        this.showPeople(false);
      }
    });
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) {
        this.unread = 0;
        this.title();
      }
    });
  }
}

// --- before a room

async function listRooms() {
  const response = await fetch("/rooms");
  const { rooms } = await response.json();
  const items = rooms.map(({ room, people }) => {
    const item = element("li");
    const link = element("a");
    link.href = `/room/${encodeURIComponent(room)}`;
    link.append(element("span", "", `#${room}`), element("span", "soft", people === 1 ? "1 person" : `${people} people`));
    item.append(link);
    return item;
  });
  find("#open-rooms").replaceChildren(...items);
  find("#open").hidden = rooms.length === 0;
}

function roomOf(text) {
  return text.normalize("NFKC").trim().toLowerCase().split(/\s+/u).join("-");
}

function showLobby() {
  find("#lobby").hidden = false;
  find("#my-name").value = kept(localStorage, "chat.name", () => "");
  (find("#my-name").value ? find("#my-room") : find("#my-name")).focus();
  find("#enter").onsubmit = (event) => {
    event.preventDefault();
    const room = roomOf(find("#my-room").value);
    if (!/^[\p{L}\p{N}_][\p{L}\p{M}\p{N}_-]{0,39}$/u.test(room)) {
      find("#enter-problem").textContent = "A room's name has letters, digits, hyphens and underscores, 40 at most.";
      find("#my-room").focus();
      return;
    }
    keepName(find("#my-name").value.trim());
    location.assign(`/room/${encodeURIComponent(room)}`);
  };
  listRooms().catch(() => {});
}

const inside = location.pathname.match(/^\/room\/(.+)$/);
if (inside) {
  new Room(roomOf(decodeURIComponent(inside[1])));
} else {
  showLobby();
}
