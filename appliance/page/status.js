// The status page: asks its own address with ?data every two seconds and shows what it hears. Everything that comes
// from there becomes text (textContent) or a number, never markup.
"use strict";
(() => {

const POLL_MS = 2000, ANSWER_MS = 5000, NOW_S = 4;
// What charts show, seconds, and its names: all that there is, and ten minutes at most.
const WINDOWS = [[60, "1 min", "30 s"], [120, "2 min", "1 min"], [300, "5 min", "2½ min"], [600, "10 min", "5 min"]];
const WINDOW_S = 600;
const LEAST_MS = 1500; // between two samples that a chart has a point for
const SVG = "http://www.w3.org/2000/svg";
const NONE = "–";
const CLASSES = ["1xx", "2xx", "3xx", "4xx", "5xx"];

const $ = (id) => document.getElementById(id);

// An element with attributes (class, data-x, ...) and children: texts and elements.
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function draw(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// --- numbers as people read them ---

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

const count = (n) => (n < 1e7 ? whole.format(n) : short.format(n));

function rate(n) {
  if (n === null) return NONE;
  if (n === 0) return "0";
  if (n < 0.1) return "< 0.1";
  return n < 9.95 ? n.toFixed(1) : n < 9999.5 ? whole.format(Math.round(n)) : short.format(n);
}

function bytes(n) {
  if (n === null || n < 0) return NONE;
  let unit = 0;
  for (; n >= 1023.5 && unit < 4; unit++) n /= 1024;
  return `${unit === 0 || n >= 99.95 ? Math.round(n) : n.toFixed(1)} ${["B", "KB", "MB", "GB", "TB"][unit]}`;
}

// Two units at most: 3d 4h, 12m 5s.
function span(seconds) {
  if (seconds === null || seconds < 0) return NONE;
  const parts = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];
  let first = parts.findIndex(([size]) => seconds >= size);
  if (first < 0) return "0s";
  const units = [];
  for (const [size, letter] of parts.slice(first, first + 2)) {
    const many = Math.floor(seconds / size);
    seconds -= many * size;
    if (many > 0 || units.length === 0) units.push(`${many}${letter}`);
  }
  return units.join(" ");
}

function latency(seconds) {
  if (seconds === null) return NONE;
  if (seconds === Infinity) return "> 10 s";
  if (seconds < 0.9995) {
    const ms = seconds * 1000;
    return `${ms < 0.995 ? ms.toFixed(2) : ms < 9.95 ? ms.toFixed(1) : Math.round(ms)} ms`;
  }
  return `${seconds < 9.95 ? seconds.toFixed(1) : Math.round(seconds)} s`;
}

const clock = (ms) => new Date(ms).toLocaleTimeString("en-GB");
const day = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10);
const many = (n, one, more = `${one}s`) => `${count(n)} ${n === 1 ? one : more}`;

// --- what is known ---

let latest = null;   // the last answer
let samples = [];    // of all at one moment, oldest first: what the servers kept, at most WINDOW_S old
let live = null;     // the latest answer as such a sample
let recent = [];     // and those before it, of the last seconds
let refused = null;  // since when there is no answer, milliseconds; null: there is
let base = null;     // the sample that "now" is measured from

const keep = ({ time, classes, sent, resident, buckets, run }) => ({ time, classes, sent, resident, buckets, run });

// Counters of a server that was started anew begin anew: nothing is measured across that.
const follows = (before, after) => before.run === after.run && after.time > before.time &&
  after.classes.every((n, i) => n >= before.classes[i]);

function remember(data) {
  const run = data.started;
  live = keep({ ...data, classes: CLASSES.map((name) => data.counters[`requests_${name}`]),
    sent: data.counters.bytes_sent, resident: data.resident_total, run });
  const end = samples.findLast((old) => old.run === run)?.time ?? -Infinity;
  for (const moment of data.history) {
    if (moment.time > end && moment.time <= live.time) samples.push(keep({ ...moment, run }));
  }
  samples = samples.filter((old) => old.time >= live.time - (WINDOW_S + 30) * 1000).sort((a, b) => a.time - b.time);
  const before = [...samples.slice(-3), ...recent].filter((old) => follows(old, live)).sort((a, b) => a.time - b.time);
  base = before.findLast((old) => live.time - old.time >= NOW_S * 1000) ?? before[0] ?? null;
  recent = [...recent.slice(-4), live];
}

// Between two samples, a second.
const pace = (from, to, value) => (from === null ? null : (value(to) - value(from)) / ((to.time - from.time) / 1000));
const sum = (list) => list.reduce((a, b) => a + b, 0);

// The duration that a part of the requests stayed below, seconds, as their buckets tell it: evenly spread in each.
function quantile(buckets, part) {
  const ends = latest.bucket_ends_us.map((end) => end / 1e6), all = sum(buckets);
  if (all === 0) return null;
  let rest = part * all;
  for (let i = 0; i < buckets.length; i++) {
    if (rest <= buckets[i]) {
      const low = i > 0 ? ends[i - 1] : 0;
      return i < ends.length ? low + (ends[i] - low) * (rest / buckets[i]) : Infinity;
    }
    rest -= buckets[i];
  }
  return Infinity;
}

const between = (from, to) => to.buckets.map((n, i) => n - from.buckets[i]);

// --- charts ---

// A chart of series over the last ten minutes. value(from, to): what a series was between two samples that follow each
// other, null: nothing. stacked: one on top of the other; log: from 0.1 ms up in powers of ten.
class Chart {
  constructor({ title, series, format, value, stacked = false, log = false }) {
    Object.assign(this, { title, series, format, value, stacked, log, at: null });
    this.when = make("span", { class: "when" });
    this.legend = make("ul", { class: "legend" });
    this.plot = make("div", { class: "plot", tabindex: "0", role: "img" });
    this.svg = draw("svg", { viewBox: "0 0 600 100", preserveAspectRatio: "none", "aria-hidden": "true" });
    this.told = make("p", { class: "unseen", "aria-live": "polite" });
    this.plot.append(this.svg);
    this.entries = series.map((one) => {
      const swatch = draw("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" });
      swatch.append(draw("rect", { width: 10, height: 10, rx: 3, class: `f-${one.colour}` }));
      const number = make("b");
      const entry = make("li", {}, swatch, `${one.name} `, number);
      this.legend.append(entry);
      return { entry, number };
    });
    this.begin = make("span");
    this.middle = make("span");
    const times = make("div", { class: "times", "aria-hidden": "true" }, this.begin, this.middle, make("span", {}, "now"));
    this.figure = make("figure", {},
      make("figcaption", {}, make("h2", {}, title), this.when), this.legend, this.plot, times, this.told);
    this.listen();
  }

  listen() {
    const point = (event) => {
      if (!this.points) return;
      const box = this.plot.getBoundingClientRect();
      this.look(this.end - this.window[0] * 1000 * (1 - (event.clientX - box.left) / box.width));
    };
    this.plot.addEventListener("pointermove", point);
    this.plot.addEventListener("pointerdown", point);
    for (const name of ["pointerleave", "blur"]) this.plot.addEventListener(name, () => this.look(null));
    this.plot.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (event.key === "Escape") this.look(null);
      if (!step || !this.points?.length) return;
      event.preventDefault();
      const last = this.points.length - 1, here = this.at === null ? last + 1 : this.points.indexOf(this.nearest());
      this.look(this.points[Math.max(0, Math.min(last, here + step))].to);
      say(this.told, `${this.when.textContent}: ${this.spoken(this.nearest())}`);
    });
  }

  look(time) {
    this.at = time;
    this.show();
  }

  nearest() {
    let best = this.points[0];
    for (const point of this.points) {
      if (Math.abs(point.to - this.at) < Math.abs(best.to - this.at)) best = point;
    }
    return best;
  }

  spoken(point) {
    return this.series.map((one, i) => `${one.name} ${this.format(point.values[i])}`).join(", ");
  }

  // Take over what is known now.
  update() {
    const last = samples[samples.length - 1];
    const all = last && live.time - last.time < LEAST_MS ? samples : [...samples, live];
    const age = (live.time - all[0].time) / 1000;
    this.window = WINDOWS.find(([seconds]) => seconds >= age) ?? WINDOWS[WINDOWS.length - 1];
    this.end = all[all.length - 1].time;
    this.points = [];
    for (let i = 1; i < all.length; i++) {
      const from = all[i - 1], to = all[i];
      if (!follows(from, to)) continue;
      this.points.push({ from: from.time, to: to.time, values: this.series.map((one, k) => this.value(from, to, k)) });
    }
    this.show();
  }

  show() {
    if (!this.points) return;
    this.scale();
    say(this.begin, `${this.window[1]} ago`);
    say(this.middle, `${this.window[2]} ago`);
    const rest = this.points.length ? this.points[this.points.length - 1] : null;
    const shown = this.at !== null && rest ? this.nearest() : rest;
    say(this.when, this.at !== null && shown ? clock(shown.to) : "");
    this.entries.forEach(({ entry, number }, i) => {
      entry.hidden = Boolean(this.series[i].rare) && !this.points.some((point) => point.values[i] > 0);
      say(number, this.format(shown ? shown.values[i] : null));
    });
    const tops = this.points.map((point) => this.top(point)).filter((n) => n !== null);
    const text = rest ? `now ${this.spoken(rest)}; highest ${this.format(tops.length ? Math.max(...tops) : null)}` : "no figures yet";
    this.plot.setAttribute("aria-label", `${this.title} in the last ${this.window[1]}: ${text}. Arrow keys go from moment to moment.`);
    this.svg.replaceChildren(...this.lines(), ...(this.stacked ? this.stack() : this.strokes()));
    if (this.at !== null && shown) this.svg.append(draw("line", { x1: this.x(shown.to), x2: this.x(shown.to), y1: 0, y2: 100, class: "cross" }));
  }

  top(point) {
    const there = point.values.filter((n) => n !== null).map((n) => (n === Infinity ? 10 : n));
    return there.length === 0 ? null : this.stacked ? sum(there) : Math.max(...there);
  }

  // The axis: from low to high, and where lines cross it.
  scale() {
    const tops = this.points.map((point) => this.top(point)).filter((n) => n !== null);
    if (this.log) {
      const all = this.points.flatMap((point) => point.values).filter((n) => n !== null);
      const power = (n) => Math.log10(Math.min(10, Math.max(1e-4, n)));
      const high = all.length ? Math.ceil(Math.max(...all.map(power)) - 1e-9) : -1;
      this.low = Math.min(all.length ? Math.floor(Math.min(...all.map(power))) : -3, high - 2);
      this.high = high;
      this.marks = [];
      for (let p = this.low; p <= this.high; p++) this.marks.push(10 ** p);
      return;
    }
    const most = Math.max(this.series[0].least ?? 1, ...tops), unit = this.format === bytes || this.series[0].binary ? 1024 : 1000;
    const size = unit ** Math.floor(Math.log(most) / Math.log(unit));
    const step = [1, 2, 4, 6, 10, 16, 20, 30, 40, 60, 100, 160, 200, 300, 400, 600, 1000, 1024].find((n) => n * size >= most);
    this.low = 0;
    this.high = step * size;
    this.marks = [0, this.high / 2, this.high];
  }

  x(time) {
    return 600 * (1 - (this.end - time) / (this.window[0] * 1000));
  }

  y(value) {
    const at = this.log ? Math.log10(Math.min(10, Math.max(10 ** this.low, value))) : value;
    return 100 - (100 * (at - this.low)) / (this.high - this.low);
  }

  lines() {
    for (const old of this.plot.querySelectorAll("span")) old.remove();
    return this.marks.map((mark) => {
      const y = this.y(mark);
      const text = this.format(mark).replace(/(\.\d)0(?= )/, "$1").replace(/\.0(?=\D|$)/, "");
      const label = make("span", {}, text);
      label.style.top = `${y}%`;
      this.plot.append(label);
      return draw("line", { x1: 0, x2: 600, y1: y, y2: y, class: "grid" });
    });
  }

  // Runs of points without a gap between them, in which every series is there.
  runs(there = () => true) {
    const runs = [];
    let last = null;
    for (const point of this.points) {
      if (!there(point)) { last = null; continue; }
      if (last === null || point.from !== last.to) runs.push([]);
      runs[runs.length - 1].push(point);
      last = point;
    }
    return runs;
  }

  stack() {
    const paths = [];
    for (const run of this.runs()) {
      this.series.forEach((one, i) => {
        const edge = (k) => run.map((point) => [this.x(point.to), this.y(sum(point.values.slice(0, k)))]);
        const start = this.x(run[0].from);
        const upper = edge(i + 1), lower = edge(i);
        upper.unshift([start, upper[0][1]]);
        lower.unshift([start, lower[0][1]]);
        if (run.some((point) => point.values[i] > 0))
          paths.push(draw("path", { d: `M${[...upper, ...lower.reverse()].map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(2)}`).join("L")}Z`, class: `f-${one.colour}` }));
      });
    }
    return paths;
  }

  strokes() {
    return this.series.flatMap((one, i) => this.runs((point) => point.values[i] !== null).flatMap((run) => {
      const y = (point) => this.y(point.values[i]).toFixed(2), start = this.x(run[0].from).toFixed(1);
      const d = `M${start} ${y(run[0])}L${run.map((point) => `${this.x(point.to).toFixed(1)} ${y(point)}`).join("L")}`;
      const line = draw("path", { d, class: `line l-${one.colour}` });
      if (this.series.length > 1) return [line];
      return [draw("path", { d: `${d}V100H${start}Z`, class: `f-${one.colour} soft` }), line];
    }));
  }
}

const charts = [
  new Chart({ title: "Requests per second", stacked: true, format: rate,
    series: CLASSES.map((name, i) => ({ name, colour: `s${i + 1}`, rare: name !== "2xx" })),
    value: (from, to, i) => pace(from, to, (sample) => sample.classes[i]) }),
  new Chart({ title: "Latency", log: true, format: latency,
    series: [50, 90, 99].map((part, i) => ({ name: `p${part}`, colour: `q${i + 1}`, part: part / 100 })),
    value: (from, to, i) => quantile(between(from, to), [0.5, 0.9, 0.99][i]) }),
  new Chart({ title: "Memory", format: bytes, series: [{ name: "all processes", colour: "area", least: 1 << 20 }],
    value: (from, to) => to.resident }),
  new Chart({ title: "Bytes sent per second", format: (n) => (n === null ? NONE : `${bytes(n)}/s`),
    series: [{ name: "sent", colour: "sent", binary: true, least: 1024 }],
    value: (from, to) => pace(from, to, (sample) => sample.sent) }),
];

// --- tiles ---

function tile(name, figure, unit, beside, alert = false) {
  const at = $(`now-${name}`);
  if (at.textContent !== `${figure} ${unit}`) at.replaceChildren(`${figure} `, make("small", {}, unit));
  at.classList.toggle("alert", alert);
  say($(`now-${name}-beside`), beside);
}

function showTiles(data) {
  const all = (sample) => sum(sample.classes), serving = data.workers.filter((one) => one.state === "serving").length;
  const failed = pace(base, live, (sample) => sample.classes[4]), total = pace(base, live, all);
  const spent = base ? between(base, live) : live.buckets;
  tile("requests", rate(total), "/s", `${count(all(live))} in all`);
  const [figure, unit = ""] = latency(quantile(spent, 0.5)).split(/ (?=m?s$)/);
  tile("latency", figure, unit, `p99 ${latency(quantile(spent, 0.99))}`);
  tile("errors", rate(failed), "/s", live.classes[4] === 0 ? "none at all" :
    `${count(live.classes[4])} in all`, failed > 0);
  tile("workers", String(serving), `of ${data.workers_wanted}`,
    many(sum(data.workers.map((one) => one.busy)), "busy thread"),
    serving < data.workers_wanted);
  tile("connections", count(sum(data.workers.map((one) => one.connections))), "",
    many(sum(data.workers.map((one) => one.websockets)), "WebSocket"));
  const [much, size = ""] = bytes(data.resident_total).split(" ");
  tile("memory", much, size, `${bytes(data.resident_bytes)} supervisor`);
}

// --- workers ---

const COLUMNS = [
  ["Worker", (one) => `${one.number}`],
  ["State", (one) => make("span", { class: "pill", "data-state": one.draining ? "draining" : one.state }, one.draining ? "draining" : one.state)],
  ["PID", (one) => `${one.pid}`],
  ["Age", (one) => span(one.age_seconds)],
  ["Requests", (one) => count(one.requests)],
  ["Per second", (one, before, seconds) => rate(before && before.requests <= one.requests ? (one.requests - before.requests) / seconds : null)],
  ["Connections", (one) => count(one.connections)],
  ["Busy threads", (one) => `${one.busy} / ${one.threads}`],
  ["Queue", (one) => count(one.queued)],
  ["Memory", (one) => bytes(one.resident_bytes)],
];
const rows = new Map(); // by pid

function showWorkers(data, before) {
  const body = $("workers").tBodies[0], present = new Set();
  const seconds = before ? (data.time - before.time) / 1000 : 1;
  const earlier = new Map(before ? before.workers.map((one) => [one.pid, one]) : []);
  for (const one of [...data.workers].sort((a, b) => a.number - b.number || a.pid - b.pid)) {
    const key = `${one.number} ${one.pid}`;
    if (!rows.has(key)) rows.set(key, make("tr", { role: "row" }, ...COLUMNS.map(([name]) => make("td", { role: "cell", "data-name": name }))));
    const row = rows.get(key);
    COLUMNS.forEach(([, show], i) => {
      const is = show(one, earlier.get(one.pid), seconds);
      if (row.cells[i].textContent !== (is.textContent ?? is)) row.cells[i].replaceChildren(is);
    });
    present.add(key);
    if (body.children[present.size - 1] !== row) body.insertBefore(row, body.children[present.size - 1] ?? null);
  }
  for (const [key, row] of rows) {
    if (!present.has(key)) { row.remove(); rows.delete(key); }
  }
}

// --- lists ---

function showCertificates(data) {
  const now = data.time / 1000;
  $("certificates").hidden = data.certificates.length === 0;
  $("certificates").querySelector("ul").replaceChildren(...data.certificates.map((one) => {
    const days = Math.floor(Math.abs(one.not_after - now) / 86400), over = one.not_after <= now;
    const text = over ? `expired ${many(days, "day")} ago` : `${many(days, "day")} left`;
    const pill = make("span", { class: "pill", "data-state": over || days < 7 ? "over" : days < 30 ? "near" : "serving" }, text);
    const who = make("div", { class: "who" }, one.names || one.file, make("small", {}, `${one.file} · until ${day(one.not_after)}`));
    return make("li", {}, who, pill);
  }));
}

const lists = new Map(); // by title: the dl

// rows: [name, text, alert]; none: what is said where there are no rows.
function list(title, entries, none = "None") {
  if (!lists.has(title)) {
    const body = make("div");
    $("lists").append(make("section", { class: "card" }, make("h2", {}, title), body));
    lists.set(title, body);
  }
  const body = lists.get(title), key = JSON.stringify(entries);
  if (body.lastKey === key) return;
  body.lastKey = key;
  body.replaceChildren(entries.length === 0 ? make("p", { class: "none" }, none) :
    make("dl", {}, ...entries.map(([name, text, alert]) =>
      make("div", {}, make("dt", name.startsWith("· ") ? { class: "part" } : {}, name.replace("· ", "")), make("dd", alert ? { class: "alert" } : {}, text)))));
}

const REASONS = { malformed: "malformed", target: "target too long", headers: "headers too large", body: "body too large",
  timeout: "came too slowly", version: "HTTP version", coding: "transfer coding", overdue: "not answered in time",
  host: "unknown host", rate: "too many of an address", proxy: "proxy contradicts itself", other: "other" };
const ENDED = { expired_header: "no request in time", expired_body: "no body in time", expired_send: "answer not taken in time",
  expired_keep_alive: "idle", refused_address: "too many of an address", refused_proxy: "no proxy header" };
const REPLACED = { died: "died", requests: "after so many requests", lifetime: "lifetime", memory: "memory",
  stuck: "stuck in a request", asked: "on demand" };

function showLists(data) {
  const c = data.counters;
  list("Since the start", [
    ["Requests", count(sum(CLASSES.map((name) => c[`requests_${name}`])))],
    ["· answered with a file", count(c.static_requests)],
    ["· health, metrics, this page", count(c.local_requests)],
    ["· given up by clients", count(c.requests_left)],
    ["· cut off", count(c.requests_cut), c.requests_cut > 0],
    ["Connections", count(c.connections)],
    ["· broken off", count(c.connections_failed)],
    ["WebSockets", count(c.websockets)],
    ["Received", bytes(c.bytes_received)],
    ["Sent", bytes(c.bytes_sent)],
  ]);
  list("Requests by status", CLASSES.map((name) => [name, count(c[`requests_${name}`]), name === "5xx" && c.requests_5xx > 0])
    .filter(([name, text]) => name !== "1xx" || text !== "0"));
  const shakes = c.handshakes_full + c.handshakes_resumed + c.handshakes_failed;
  list("TLS handshakes", shakes === 0 ? [] : [
    ["full", count(c.handshakes_full)], ["resumed", count(c.handshakes_resumed)],
    ["failed", count(c.handshakes_failed), c.handshakes_failed > 0]]);
  list("Requests turned away", Object.entries(REASONS).filter(([key]) => c[`rejected_${key}`] > 0)
    .map(([key, name]) => [name, count(c[`rejected_${key}`])]));
  list("Connections ended early", Object.entries(ENDED).filter(([key]) => c[key] > 0)
    .map(([key, name]) => [name, count(c[key])]));
  list("Workers replaced", Object.entries(REPLACED).filter(([key]) => data.recycled[key] > 0)
    .map(([key, name]) => [name, count(data.recycled[key]), key === "died" || key === "stuck"]));
  list("Log lines dropped", [["log", c.log_dropped], ["access log", c.access_log_dropped]]
    .filter(([, n]) => n > 0).map(([name, n]) => [name, count(n), true]));
}

// --- the whole ---

function showState(data) {
  const serving = data.workers.filter((one) => one.state === "serving").length;
  const state = refused !== null ? "away" : data.state === "stopping" ? "stopping" : serving < data.workers_wanted ? "short" : "serving";
  $("state").dataset.state = state;
  say($("state"), { away: "No connection", stopping: "Stopping", short: "Workers missing", serving: "Serving" }[state]);
}

function show(data, before) {
  remember(data);
  say($("name"), data.name);
  document.title = `${data.name} – status`;
  say($("about"), `limpet ${data.version} · up ${span(data.time / 1000 - data.started)}`);
  say($("foot"), `Answered by worker ${data.worker} at ${clock(data.time)}`);
  showState(data);
  showTiles(data);
  for (const chart of charts) chart.update();
  showWorkers(data, before);
  showCertificates(data);
  showLists(data);
  $("main").hidden = false;
}

function connected() {
  refused = null;
  $("notice").hidden = true;
  document.body.classList.remove("away");
}

function disconnected(reason) {
  if (refused === null) refused = Date.now();
  say($("notice"), `No connection since ${clock(refused)} (${reason}). ` +
    (latest ? "The figures are the last ones; it goes on when the server is back." : "It goes on when the server is back."));
  $("notice").hidden = false;
  document.body.classList.add("away");
  $("state").dataset.state = "away";
  say($("state"), "No connection");
}

async function ask() {
  const kept = samples.findLast((sample) => latest && sample.run === latest.started);
  const answer = await fetch(`${location.pathname}?data${kept ? `=${kept.time}` : ""}`,
    { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
  if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
  const data = await answer.json();
  if (!data.counters || !data.workers) throw new Error("it has no figures");
  return data;
}

// Why there are no figures.
function reason(error) {
  if (error.message.startsWith("the server")) return error.message;
  return { TimeoutError: "no answer", TypeError: "not reached" }[error.name] ?? "not understood";
}

async function poll() {
  let data;
  try {
    data = await ask();
  } catch (error) {
    disconnected(reason(error));
    return;
  }
  // Another version has another page.
  if (latest && data.version !== latest.version) {
    location.reload();
    return;
  }
  const before = latest && latest.started === data.started ? latest : null;
  latest = data;
  connected();
  show(data, before);
}

// One question after the other; none while nobody looks.
let waiting = null, asking = false;
async function turn() {
  if (asking) return;
  asking = true;
  clearTimeout(waiting);
  await poll();
  asking = false;
  waiting = setTimeout(() => { if (!document.hidden) turn(); }, POLL_MS);
}

for (const chart of charts) $("charts").append(chart.figure);
$("workers").tHead.rows[0].append(...COLUMNS.map(([name]) => make("th", { scope: "col", role: "columnheader" }, name)));
document.addEventListener("visibilitychange", () => { if (!document.hidden) turn(); });
turn();

})();
