// Holds one stream of events for all pages of a browser: it would let six of them
// have one each, and nothing else then. A page that is seen asks every second;
// with none that does, there is no stream.
"use strict";

const patience = 5000; // ms after which a page that has not asked is hidden, or gone
const pages = new Map(); // the port of each page that is seen, and when it asked last
let events = null;

const isOpen = () => events !== null && events.readyState === EventSource.OPEN;

// send tells all pages whether the stream is open, and whether they may show
// what is old.
function send(changed) {
  for (const page of pages.keys()) page.postMessage({ open: isOpen(), changed });
}

function open() {
  events = new EventSource("../api/v1/events");
  for (const kind of ["blocks", "failed", "filled", "reorg", "reset", "pruned"]) events.addEventListener(kind, () => send(true));
  events.onopen = () => send(true);
}

// A browser comes back by itself to a stream that was cut, but not to one that
// was refused, as it is before there is a chain.
function tend() {
  for (const [page, asked] of pages) if (Date.now() - asked > patience) pages.delete(page);
  if (events === null) return;
  const refused = events.readyState === EventSource.CLOSED;
  if (pages.size > 0 && !refused) return;
  events.close();
  events = null;
  if (pages.size > 0) open();
}

onconnect = event => {
  const page = event.ports[0];
  page.onmessage = () => {
    pages.set(page, Date.now());
    if (events === null) open();
    page.postMessage({ open: isOpen(), changed: false });
  };
};

setInterval(tend, 2000);
