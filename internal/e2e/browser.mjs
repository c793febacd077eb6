// A Chromium that does what lines of JSON on stdin say, and answers each by a
// line on stdout: {"result": …} or {"error": "…"}. See browser_test.go.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const { chromium: path, playwright, axe } = JSON.parse(process.argv[2]);
const require = createRequire(playwright + "/");
const { chromium } = require("playwright-core");
const rules = readFileSync(axe + "/axe-core/axe.min.js", "utf8");

const browser = await chromium.launch({
  executablePath: path,
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run",
    "--host-resolver-rules=MAP example.org 127.0.0.1"],
});
let page, tabs = [], faults = [], host;

const sizes = { desktop: { width: 1180, height: 820 }, phone: { width: 360, height: 740 } };

const commands = {
  // A new window. What goes wrong in it is told by faults.
  async open({ base, size, dark, without }) {
    if (page) await page.context().close();
    host = new URL(base).host;
    const context = await browser.newContext({
      baseURL: base, viewport: sizes[size], colorScheme: dark ? "dark" : "light", bypassCSP: false, ignoreHTTPSErrors: true,
      isMobile: size === "phone", deviceScaleFactor: 1, permissions: ["clipboard-read", "clipboard-write"],
    });
    context.on("page", page => {
      tabs.push(page);
      page.setDefaultTimeout(60000);
      page.on("console", m => { if (m.type() === "error") faults.push("console: " + m.text() + " at " + m.location().url); });
      page.on("pageerror", e => faults.push("script: " + e.message));
    });
    context.on("request", r => { if (new URL(r.url()).host !== host) faults.push("request to " + r.url()); });
    tabs = [];
    if (without) await context.addInitScript(`delete globalThis.${without}`); // as an old browser
    page = await context.newPage();
  },
  // Another tab of the window, which is the one in use from now on.
  async tab() { page = await page.context().newPage(); },
  // Back to the tab that was opened as the nth, from 0 on.
  async pick({ nth }) { page = tabs[nth]; },
  // The tab is covered by another one, or comes to the front: headless, all would be seen at once.
  async hide({ hidden }) {
    await page.evaluate(hidden => {
      Object.defineProperty(document, "hidden", { configurable: true, value: hidden });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
  },
  async visit({ path }) { return (await page.goto(path, { waitUntil: "load" })).status(); },
  // Not by waitForFunction, which the page's policy refuses to evaluate.
  async wait({ script }) {
    for (const until = Date.now() + 30000; Date.now() < until;) {
      if (await page.evaluate(script).catch(() => false)) return; // it may be between two pages
      await new Promise(done => setTimeout(done, 20));
    }
    throw new Error("in vain: " + (await page.evaluate("document.body.innerText")).slice(0, 2000));
  },
  async eval({ script }) { return page.evaluate(script); },
  async fill({ selector, text }) { await page.fill(selector, text); },
  async press({ selector, key }) { await page.press(selector, key); },
  async cookies() { return page.context().cookies(); },
  async click({ selector }) { await page.click(selector); },
  async shot({ file, full }) { await page.screenshot({ path: file, fullPage: full }); },
  // The faults that axe-core finds, the serious ones alone.
  async axe() {
    await page.evaluate(rules); // by the debugger: the page's policy would refuse a script of it
    const found = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
    return found.violations.filter(v => v.impact === "serious" || v.impact === "critical")
      .map(v => `${v.id} (${v.impact}): ${v.help}: ${v.nodes.slice(0, 3).map(n => n.html).join(" | ")}`);
  },
  // What was loaded for the page, in bytes, and when it was drawn, in ms.
  async weight() {
    return page.evaluate(() => {
      const all = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
      const paint = performance.getEntriesByName("first-contentful-paint")[0];
      return { bytes: all.reduce((n, e) => n + e.transferSize, 0), drawn: paint ? paint.startTime : -1 };
    });
  },
  async faults() { const told = faults; faults = []; return told; },
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  try {
    console.log(JSON.stringify({ result: (await commands[command.do](command)) ?? null }));
  } catch (e) {
    console.log(JSON.stringify({ error: `${command.do}: ${e.message}\n${page ? page.url() : ""}` }));
  }
}
await browser.close();
