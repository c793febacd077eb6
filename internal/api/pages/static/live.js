// Keeps a page as new as the file: when something was committed, the page is
// asked for again, and the parts of it that changed are put in their place.
"use strict";

const least = 150; // ms between two requests

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

function tellTimes(root) {
  for (const t of root.querySelectorAll("time[data-unix]")) {
    if (!t.title) t.title = t.textContent;
    const past = ago(Number(t.dataset.unix));
    const text = t.closest(".facts") ? t.title + " (" + past + ")" : past;
    if (t.textContent !== text) t.textContent = text;
  }
}

function keys(element) {
  return new Set(Array.from(element.querySelectorAll("[data-key]"), e => e.dataset.key));
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
  for (const d of old.querySelectorAll("details")) { // what a reader has opened stays open
    const same = fresh.querySelectorAll("details")[Array.from(old.querySelectorAll("details")).indexOf(d)];
    if (same && d.open) same.open = true;
  }
  old.replaceWith(fresh);
}

// Whoever writes into a form is not interrupted.
function busy(element) {
  return element.contains(document.activeElement) && document.activeElement.matches("input");
}

let asking = false, again = false, last = 0;

async function refresh() {
  if (asking) { again = true; return; }
  asking = true;
  const wait = last + least - Date.now();
  if (wait > 0) await new Promise(done => setTimeout(done, wait));
  again = false;
  last = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { "X-Refresh": "1" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const whole = document.querySelector("[data-live=page]");
    if (whole && !page.getElementById(whole.id)) {
      document.getElementById("main").replaceWith(page.getElementById("main")); // it is another kind of page now
    }
    for (const old of document.querySelectorAll("[data-live]")) {
      const fresh = page.getElementById(old.id);
      if (fresh && !busy(old)) replace(old, document.adoptNode(fresh));
    }
    tellTimes(document);
  } catch {
    // The stream says when there is something to ask for again.
  }
  asking = false;
  if (again) refresh();
}

function listen() {
  const told = document.getElementById("live");
  const events = new EventSource("/api/v1/events");
  for (const kind of ["blocks", "failed", "filled", "reorg", "reset"]) events.addEventListener(kind, refresh);
  events.onopen = () => { told.textContent = "live"; refresh(); };
  events.onerror = () => { told.textContent = "not connected"; };
}

document.addEventListener("click", async event => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.textContent = "copied";
  setTimeout(() => { button.textContent = "copy"; }, 1500);
});

tellTimes(document);
setInterval(() => tellTimes(document), 1000);
if (document.querySelector("[data-live]")) listen();
