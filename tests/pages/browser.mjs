// Chromium, and pages that write down everything a reader of the console would see.

import puppeteer from "puppeteer-core";

/** How long anything may take on a machine that is busy with other things. */
export const PATIENCE_MS = 60000;

export async function launch(chromium) {
  return puppeteer.launch({
    executablePath: chromium,
    // Root has no sandbox of its own, as in a container; the pages are ours.
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--force-color-profile=srgb"],
  });
}

/** A tab of a width in which errors and requests to elsewhere become findings; `quiet` may be set while a fault is played. */
export async function open(browser, base, width, findings, what) {
  const page = await browser.newPage();
  await page.setViewport({ width, height: 900 });
  page.setDefaultNavigationTimeout(PATIENCE_MS);
  const tab = { page, quiet: false, what };
  const told = (text) => tab.quiet || findings.push(`${tab.what}: ${text}`);
  page.on("console", (message) => {
    if (["error", "warn", "warning"].includes(message.type()))
      told(`console: ${message.text()} ${message.location().url ?? ""}`);
  });
  page.on("pageerror", (error) => told(`script: ${error.stack ?? error.message}`));
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(base) && !url.startsWith("data:") && url !== "about:blank")
      findings.push(`${tab.what}: asks elsewhere: ${url}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 400) told(`${response.status()} for ${response.url()}`);
  });
  return tab;
}

/** Waits until the page asked for what it shows, and no panel is still asking. */
export async function settled(page) {
  const waits = () =>
    [...document.querySelectorAll(".panel")]
      .filter((panel) => panel.offsetParent !== null && panel.querySelector(".meta")?.textContent.startsWith("asking"))
      .map((panel) => panel.querySelector("h2").textContent);
  const done = `Boolean(document.querySelector("main h1")) && (${waits})().length === 0`;
  await page.waitForFunction(done, { timeout: PATIENCE_MS, polling: 100 }).catch(async () => {
    throw new Error(`${page.url()} still asks for ${(await page.evaluate(waits)).join(", ") || "itself"}`);
  });
}

export async function go(tab, url) {
  await tab.page.goto(url, { waitUntil: "domcontentloaded" });
  await settled(tab.page);
}
