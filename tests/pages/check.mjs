// Looks at the collector's pages in Chromium, and exits with 1 when anything is found.
//
//   node check.mjs --base http://127.0.0.1:8080 --chromium /usr/bin/chromium [--agent app-01 --service crm] [--shots DIR]
//
// Without an agent it is the first start: nothing but the command that adds one. Each page is seen light and wide, and
// dark and narrow; with --all also the other two ways, of which nothing more is to be expected.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { go, launch, open } from "./browser.mjs";
import { accessible, looks } from "./looks.mjs";
import { away, charts, keys, tabbing } from "./walks.mjs";

const { values: given } = parseArgs({
  options: {
    base: { type: "string" },
    chromium: { type: "string" },
    agent: { type: "string" },
    service: { type: "string" },
    shots: { type: "string" },
    only: { type: "string" },
    all: { type: "boolean" },
  },
});
const base = given.base.replace(/\/$/, "");
/** Each is told once, and at once: a check that hangs still says what it found. */
class Findings extends Array {
  push(...all) {
    for (const one of all) {
      if (this.includes(one)) continue;
      console.log(`FOUND ${one}`);
      super.push(one);
    }
    return this.length;
  }
}
const findings = new Findings();
const WIDTHS = [1280, 360];
const THEMES = ["light", "dark"];

function paths() {
  if (!given.agent) return ["/", "/host", "/services", "/security", "/presence", "/ledger", "/fleet", "/sign-in"];
  const agent = encodeURIComponent(given.agent);
  return [
    "/",
    "/host",
    `/host?agent=${agent}&from=-15m`,
    "/services",
    `/services?service=${encodeURIComponent(given.service)}`,
    "/security",
    "/presence",
    `/presence?agent=${agent}&from=-24h`,
    "/ledger",
    `/ledger?agent=${agent}`,
    "/fleet",
    "/sign-in",
  ];
}

async function every(browser, width) {
  const tab = await open(browser, base, width, findings, "");
  for (const path of paths()) {
    for (const theme of THEMES) {
      const isOwn = (theme === "light") === (width === 1280);
      if (!isOwn && !given.all) continue;
      tab.what = `${path} ${theme} ${width}`;
      await go(tab, `${base}${path}${path.includes("?") ? "&" : "?"}theme=${theme}`);
      await looks(tab, findings);
      if (isOwn) await accessible(tab, findings);
      if (given.shots) {
        mkdirSync(given.shots, { recursive: true });
        const name = path.replaceAll(/[^a-z0-9]+/gi, "_").replace(/^_$/, "overview");
        await tab.page.screenshot({ path: join(given.shots, `${name}-${theme}-${width}.png`), fullPage: true });
      }
    }
  }
  await tab.page.close();
}

async function first(browser) {
  const tab = await open(browser, base, 1280, findings, "first start");
  await go(tab, `${base}/`);
  const told = await tab.page.evaluate(() => ({
    command: document.querySelector(".empty code")?.textContent ?? "",
    button: document.querySelector(".empty button")?.textContent ?? "",
    verdict: document.querySelector(".verdict").className,
  }));
  if (!told.command.includes("crmscope-agent"))
    findings.push(`first start: the command that adds an agent is not shown, but ${JSON.stringify(told.command)}`);
  if (!told.button.includes("Copy")) findings.push("first start: the command cannot be copied");
  if (/good/.test(told.verdict)) findings.push("first start: silence is shown as good");
  await tab.page.close();
}

async function walks(browser) {
  const wanted = {
    tabbing: (tab) => tabbing(tab, base, findings),
    keys: (tab) => keys(tab, base, findings, given.agent),
    charts: (tab) => charts(tab, base, findings, given.agent),
    away: (tab) => away(tab, base, findings),
  };
  for (const [name, walk] of Object.entries(wanted)) {
    const tab = await open(browser, base, 1280, findings, name);
    await walk(tab).catch((error) => findings.push(`${name}: ${error.message}`));
    await tab.page.close();
  }
}

const browser = await launch(given.chromium);
const timed = async (name, work) => {
  const began = Date.now();
  await work.catch((error) => findings.push(`${name}: ${error.stack}`));
  console.log(`${name}: ${((Date.now() - began) / 1000).toFixed(1)} s`);
};
try {
  if (given.only !== "walks") {
    // One after the other: a tab behind another one is hidden, and pauses.
    for (const width of WIDTHS) await timed(`every page, ${width} px`, every(browser, width));
  }
  if (given.agent && given.only !== "pages") await timed("walks", walks(browser));
  if (!given.agent) await timed("first start", first(browser));
} finally {
  await browser.close();
}
process.exitCode = findings.length > 0 ? 1 : 0;
