// Keeps a page as new as the file: when something was committed, the page is
// asked for again, and the parts of it that changed are put in their place.
"use strict";

const least = 50; // ms from one request to the next; more, where they take long
const longest = 10000; // ms after which what is no commit is asked for, as the node's state

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

let asking = false, again = false, last = 0, took = 0;

async function refresh() {
  if (document.hidden) return; // it is asked for when it is looked at
  if (asking) { again = true; return; }
  asking = true;
  const wait = last + Math.max(least, 2 * took) - Date.now();
  if (wait > 0) await new Promise(done => setTimeout(done, wait));
  again = false;
  last = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (page.getElementById("main")) show(page);
  } catch {
    // The stream says when there is something to ask for again.
  }
  took = Date.now() - last;
  asking = false;
  if (again) refresh();
}

// listen hears of commits. A browser comes back by itself to a stream that was
// cut, but not to one that was refused, as it is before there is a chain.
function listen() {
  const told = document.getElementById("live");
  const events = new EventSource("/api/v1/events");
  for (const kind of ["blocks", "failed", "filled", "reorg", "reset", "pruned"]) events.addEventListener(kind, refresh);
  events.onopen = () => { told.textContent = "live"; refresh(); };
  events.onerror = () => {
    told.textContent = "not connected";
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  };
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
  setInterval(() => { if (Date.now() - last >= longest) refresh(); }, 1000);
  document.addEventListener("visibilitychange", refresh);
}
