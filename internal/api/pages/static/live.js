// Keeps a page as new as the file: when something was committed, the page is
// asked for again, and the parts of it that changed are put in their place.
"use strict";

const least = 50; // ms from one request to the next; more, where they take long
const longest = 5000; // ms after which what is no commit is asked for, as the node's state
const alone = 2000; // the same, where no stream says what was committed
const patience = 3000; // ms after which what does not answer is not connected
const giveUp = 30000; // ms after which an answer is not waited for any more
const script = document.currentScript.src;

function ago(seconds) {
  const past = Date.now() / 1000 - seconds, size = Math.abs(past);
  const units = [["second", 1], ["minute", 60], ["hour", 3600], ["day", 86400], ["month", 2629800], ["year", 31557600]];
  if (size < 1) return "now";
  let unit = units[0];
  for (const u of units) if (size >= u[1]) unit = u;
  const n = Math.floor(size / unit[1]);
  const text = n + " " + unit[0] + (n === 1 ? "" : "s");
  return past >= 0 ? text + " ago" : "in " + text;
}

// Long ago or far ahead, as a chain's clock may be, the date says more.
const near = 30 * 86400;

function tellTimes(root) {
  for (const t of root.querySelectorAll("time[data-unix]")) {
    const unix = Number(t.dataset.unix), now = Date.now() / 1000;
    const stamp = t.dataset.stamp ||= t.textContent;
    const past = "due" in t.dataset && unix <= now ? "due now" : ago(unix);
    const far = Math.abs(now - unix) > near;
    const text = t.closest(".facts") ? stamp + " (" + past + ")" : far ? stamp.replace(" UTC", "") : past;
    t.title = stamp + ", " + past;
    if (t.textContent !== text) t.textContent = text;
  }
}

function keys(element) {
  return new Set(Array.from(element.querySelectorAll("[data-key]"), e => e.dataset.key));
}

// What marks an element, so that the same one is found in a fresh part.
function mark(element) {
  return element && (element.getAttribute("href") || element.dataset.copy || element.getAttribute("aria-label"));
}

function replace(old, fresh) {
  const before = keys(old);
  tellTimes(fresh);
  if (old.outerHTML === fresh.outerHTML) return;
  if (before.size > 0) {
    for (const row of fresh.querySelectorAll("[data-key]")) {
      if (!before.has(row.dataset.key)) row.classList.add("fresh");
    }
  }
  const opened = Array.from(old.querySelectorAll("details"), d => d.open);
  fresh.querySelectorAll("details").forEach((d, i) => { if (opened[i]) d.open = true; });
  const focused = old.contains(document.activeElement) && mark(document.activeElement);
  old.replaceWith(fresh);
  if (focused) {
    const same = Array.from(fresh.querySelectorAll("a, button, [tabindex]")).find(e => mark(e) === focused);
    if (same) same.focus({ preventScroll: true });
  }
}

// Whoever writes into a form or has chosen text to copy is not interrupted.
function busy(element) {
  const chosen = getSelection();
  return (document.activeElement.matches("input") && element.contains(document.activeElement)) ||
    (!chosen.isCollapsed && element.contains(chosen.anchorNode));
}

// show puts what changed in its place. A page that shows another thing now, as
// a block that was missing, changes as a whole.
function show(page) {
  const main = document.getElementById("main"), fresh = page.getElementById("main");
  if (main.dataset.view !== fresh.dataset.view) {
    document.title = page.title;
    main.replaceWith(document.adoptNode(fresh));
  }
  for (const old of document.querySelectorAll("[data-live]")) {
    const part = page.getElementById(old.id);
    if (part && !busy(old)) replace(old, document.adoptNode(part));
  }
  tellTimes(document);
}

let asking = false, again = false, last = Date.now(), took = 0;
let asked = 0, failed = false; // when the answer that is awaited was asked for; how the one before ended

async function refresh() {
  if (document.hidden) return; // it is asked for when it is looked at
  if (asking) { again = true; return; }
  asking = true;
  const wait = last + Math.min(Math.max(least, 2 * took), longest) - Date.now();
  if (wait > 0) await new Promise(done => setTimeout(done, wait));
  again = false;
  last = asked = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(giveUp) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    failed = !page.getElementById("main"); // then it is of a proxy
    if (!failed) show(page);
  } catch {
    failed = true;
  }
  took = Date.now() - last;
  asked = 0;
  asking = false;
  if (again) refresh();
}

// The stream of events is one for all pages of the browser: see stream.js.
let stream = null, shown = 0, heard = 0; // when the page came to be seen, and the stream was open last

function listen() {
  try {
    stream = new SharedWorker(new URL("stream.js", script)).port;
  } catch {
    return; // there are none in this browser, or they are not allowed
  }
  stream.onmessage = ({ data: { open, changed } }) => {
    const first = open && !heard;
    if (open) heard = Date.now();
    if (first || changed) refresh(); // before the first there was nobody to say what changed
    tellConnection();
  };
}

function tellConnection() {
  const now = Date.now();
  let text = "live";
  if (failed || (asked && now - asked > patience) || (stream && now - Math.max(heard, shown) > patience)) text = "not connected";
  else if (stream && !heard) text = "";
  const told = document.getElementById("live");
  if (told.textContent === text) return;
  told.textContent = text;
  document.body.classList.toggle("lost", text === "not connected");
}

function beat() {
  if (document.hidden) return;
  if (stream) stream.postMessage("");
  if (Date.now() - last >= (stream ? longest : alone)) refresh();
  tellConnection();
}

// see begins to follow the stream, at first and when the page was hidden.
function see() {
  shown = Date.now();
  heard = 0;
  beat();
}

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea"); // without TLS on another machine there is no clipboard
  field.value = text;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (!done) throw new Error("refused");
}

document.addEventListener("click", async event => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  let told = "copied";
  try { await copy(button.dataset.copy); } catch { told = "can't copy"; }
  button.textContent = told;
  setTimeout(() => { button.textContent = "copy"; }, 1500);
});

tellTimes(document);
setInterval(() => tellTimes(document), 1000);
if (document.querySelector("[data-live]")) {
  listen();
  see();
  setInterval(beat, 1000);
  document.addEventListener("visibilitychange", () => { see(); refresh(); });
}
