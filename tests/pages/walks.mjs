// What a reader does: by keyboard alone, with the crosshair, with a collector that goes away and comes back.

import { go, PATIENCE_MS, settled } from "./browser.mjs";

const TABS_MAX = 500;

const focused = (page) =>
  page.evaluate(() => {
    const element = document.activeElement;
    if (!element || element === document.body) return null;
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    return {
      name: `${element.tagName.toLowerCase()}${element.id ? `#${element.id}` : ""} ${(element.getAttribute("aria-label") ?? element.textContent).trim().slice(0, 40)}`,
      seen: box.width > 0 && box.height > 0,
      outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0,
      skip: element.classList.contains("skip"),
    };
  });

/** The skip link comes first and works; each stop is seen; at the end one is out of the page, not in a trap. */
export async function tabbing(tab, base, findings) {
  const { page } = tab;
  await go(tab, `${base}/`);
  await page.keyboard.press("Tab");
  if (!(await focused(page))?.skip) findings.push(`${tab.what}: the first stop is not the skip link`);
  await page.keyboard.press("Enter");
  if (!(await page.evaluate(() => document.activeElement.id === "main")))
    findings.push(`${tab.what}: the skip link does not lead to the content`);
  await page.evaluate(() => document.activeElement.blur());
  await go(tab, `${base}/`);
  let stops = 0;
  for (; stops < TABS_MAX; stops += 1) {
    await page.keyboard.press("Tab");
    const at = await focused(page);
    if (!at || (at.skip && stops > 0)) break;
    if (!at.seen) findings.push(`${tab.what}: focus on something that is not seen: ${at.name}`);
    if (!at.outlined) findings.push(`${tab.what}: focus is not seen on ${at.name}`);
  }
  if (stops === TABS_MAX) findings.push(`${tab.what}: after ${TABS_MAX} stops the keyboard is still in the page`);
  if (stops < 12) findings.push(`${tab.what}: only ${stops} stops`);
}

/** Keys of the help overlay do what it says, and dialogs give the focus back. */
export async function keys(tab, base, findings, agent) {
  const { page } = tab;
  await go(tab, `${base}/?from=-6h`);
  for (const [key, path] of [
    ["s", "/security"],
    ["p", "/presence"],
    ["l", "/ledger"],
    ["f", "/fleet"],
    ["v", "/services"],
    ["h", "/host"],
    ["o", "/"],
  ]) {
    await page.keyboard.press("g");
    await page.keyboard.press(key);
    await page
      .waitForFunction((wanted) => location.pathname === wanted, { timeout: PATIENCE_MS }, path)
      .catch(() => findings.push(`${tab.what}: g ${key} does not lead to ${path}`));
    if (!page.url().includes("from=-6h")) findings.push(`${tab.what}: the range is lost on the way to ${path}`);
  }
  await settled(page);
  await page.keyboard.type("?");
  if (!(await page.$("dialog[open]"))) findings.push(`${tab.what}: ? opens no help`);
  await page.keyboard.press("Escape");
  if (await page.$("dialog[open]")) findings.push(`${tab.what}: Escape does not close the help`);
  await page.keyboard.type("/");
  await page.waitForSelector("dialog[open] input", { timeout: PATIENCE_MS });
  await page.keyboard.type(agent);
  await page
    .waitForSelector("dialog[open] .found a", { timeout: PATIENCE_MS })
    .catch(() => findings.push(`${tab.what}: the search does not find ${agent}`));
  await page.keyboard.press("Enter");
  await page
    .waitForFunction(
      (wanted) => location.pathname === "/host" && new URLSearchParams(location.search).get("agent") === wanted,
      { timeout: PATIENCE_MS },
      agent,
    )
    .catch(() => findings.push(`${tab.what}: the search does not lead to ${agent}`));
  await settled(page);
}

/** The crosshair moves by keys and in all charts; a drag zooms; a chart becomes a table; tables sort. */
export async function charts(tab, base, findings, agent) {
  const { page } = tab;
  await go(tab, `${base}/host?agent=${encodeURIComponent(agent)}&from=-15m`);
  await page.waitForSelector(".chart canvas", { timeout: PATIENCE_MS });
  const texts = () => page.$$eval("[role=slider]", (all) => all.map((one) => one.getAttribute("aria-valuetext")));
  await page.focus("[role=slider]");
  await page.keyboard.press("End");
  await page.keyboard.press("ArrowLeft");
  const before = await texts();
  await page.keyboard.press("ArrowLeft");
  const after = await texts();
  if (before[0] === after[0]) findings.push(`${tab.what}: an arrow key does not move the crosshair`);
  if (before[1] === after[1]) findings.push(`${tab.what}: the crosshair of the second chart does not move along`);
  const button = await page.$(".under > button");
  await button.click();
  if ((await page.$$eval(".under + .scroll:not([hidden]) tbody tr", (rows) => rows.length)) < 5)
    findings.push(`${tab.what}: the chart's table has no rows`);
  await page.evaluate(() => document.querySelector(".chart").scrollIntoView({ block: "center" }));
  const box = await (await page.$(".u-over")).boundingBox();
  await page.mouse.move(box.x + box.width * 0.3, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.7, box.y + 40, { steps: 5 });
  await page.mouse.up();
  await page
    .waitForFunction(() => /^\d{4}-/.test(new URLSearchParams(location.search).get("from")), { timeout: PATIENCE_MS })
    .catch(() => findings.push(`${tab.what}: a drag does not zoom`));
  await settled(page);
  await go(tab, `${base}/`);
  const sort = "th[aria-sort] button";
  await page.click(sort);
  const order = await page.$eval("th[aria-sort]", (head) => head.getAttribute("aria-sort"));
  if (order !== "ascending") findings.push(`${tab.what}: sorting by names gives ${order}`);
}

/** While the collector does not answer the page says since when, keeps what it has, and comes back by itself. */
export async function away(tab, base, findings) {
  const { page } = tab;
  await go(tab, `${base}/`);
  tab.quiet = true;
  await page.setOfflineMode(true);
  await page.keyboard.press("r");
  await page
    .waitForFunction(() => /Not updated since/.test(document.getElementById("banner").textContent), { timeout: PATIENCE_MS })
    .catch(() => findings.push(`${tab.what}: does not say that it is not updated`));
  if (!(await page.$(".panel tbody tr")))
    findings.push(`${tab.what}: what was known is gone while the collector is away`);
  await page.setOfflineMode(false);
  await page
    .waitForFunction(() => document.getElementById("banner").hidden, { timeout: PATIENCE_MS })
    .catch(() => findings.push(`${tab.what}: does not come back by itself`));
  tab.quiet = false;
}
