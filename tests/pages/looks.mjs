// What must hold of every page, whatever it shows.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Sideways scrolling, landmarks, a heading, markup out of strangers' texts, panels that know nothing of themselves. */
export async function looks(tab, findings) {
  const wrong = await tab.page.evaluate(() => {
    const found = [];
    const root = document.documentElement;
    if (root.scrollWidth > root.clientWidth) {
      const wide = [...document.querySelectorAll("main *")].find(
        (element) => element.getBoundingClientRect().right > root.clientWidth + 1,
      );
      found.push(
        `the page scrolls sideways by ${root.scrollWidth - root.clientWidth} px, as of ${wide?.outerHTML.slice(0, 120)}`,
      );
    }
    for (const landmark of ["header", "nav", "main", "footer", "main h1"])
      if (!document.querySelector(landmark)) found.push(`has no ${landmark}`);
    if (document.querySelector("main script, main img, main iframe, main [onerror], main b"))
      found.push("a text became markup");
    if (/[\u202a-\u202e\u2066-\u2069\u0000-\u0008]/.test(document.body.innerText))
      found.push("a hidden character is shown as it came");
    for (const panel of document.querySelectorAll(".panel")) {
      const meta = panel.querySelector("header .meta");
      const failed = panel.querySelector(".note.bad:not([hidden])");
      if (panel.offsetParent === null || !meta) continue;
      const title = panel.querySelector("h2")?.textContent;
      if (failed) found.push(`panel ${title}: ${failed.textContent}`);
      else if (!meta.textContent.trim()) found.push(`panel ${title} does not say how complete it is`);
    }
    if (/\b(undefined|NaN|\[object)\b/.test(document.body.innerText))
      found.push(`shows ${/.{0,40}\b(undefined|NaN|\[object)\b.{0,40}/.exec(document.body.innerText)[0]}`);
    return found;
  });
  findings.push(...wrong.map((one) => `${tab.what}: ${one}`));
}

/** What axe-core says. The policy of the page forbids scripts from elsewhere, not those of the one who drives it. */
export async function accessible(tab, findings) {
  await tab.page.evaluate(AXE);
  const violations = await tab.page.evaluate(async () => {
    const { violations: all } = await window.axe.run(document, { resultTypes: ["violations"] });
    return all.map(
      ({ id, help, nodes }) =>
        `${id} (${help}): ${nodes.length} of ${nodes
          .slice(0, 2)
          .map((node) => `${node.target.join(" ")}: ${node.failureSummary.split("\n").slice(1).join(" ").trim()}`)
          .join(" | ")}`,
    );
  });
  findings.push(...violations.map((one) => `${tab.what}: axe: ${one}`));
}
