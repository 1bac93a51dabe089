// How soon a page is there, with an empty cache, and how many bytes it takes.
//
//   node first_view.mjs --base http://127.0.0.1:8080 --chromium /usr/bin/chromium --agent app-01 --service crm [--known a,b]
//
// Of each page: when the first paint was, when its first figure stood there (of the overview: the verdict), and when no panel
// was asking; then bytes of files, on the wire and unpacked, and of answers. With --known it fails where a page asks
// a query that is not among these.

import { parseArgs } from "node:util";

import { launch, open, PATIENCE_MS, settled } from "./browser.mjs";

const { values: given } = parseArgs({
  options: {
    base: { type: "string" },
    chromium: { type: "string" },
    agent: { type: "string" },
    service: { type: "string" },
    known: { type: "string" },
    runs: { type: "string", default: "5" },
  },
});
const known = given.known?.split(",");
const agent = encodeURIComponent(given.agent);
const PATHS = ["/", `/host?agent=${agent}`, "/services", "/security", "/presence", "/ledger", "/fleet"];

/** When something is told: of the overview the verdict, elsewhere the first panel that says what it knows. */
const TOLD = `(() => {
  const verdict = document.querySelector(".verdict");
  if (verdict) return !verdict.textContent.includes("Asking");
  return [...document.querySelectorAll(".panel .meta")].some((meta) => meta.textContent && !meta.textContent.startsWith("asking"));
})()`;

async function once(browser, path, findings) {
  const context = await browser.createBrowserContext();
  const tab = await open({ newPage: () => context.newPage() }, given.base, 1280, findings, path);
  const client = await tab.page.createCDPSession();
  await client.send("Network.enable");
  const responses = new Map();
  const bytes = { wire: 0, unpacked: 0, answers: 0, files: 0, queries: new Set() };
  client.on("Network.responseReceived", ({ requestId, response }) => responses.set(requestId, response));
  client.on("Network.dataReceived", ({ requestId, dataLength }) => {
    const url = new URL(responses.get(requestId)?.url ?? given.base);
    if (url.pathname.startsWith("/api/")) bytes.answers += dataLength;
    else bytes.unpacked += dataLength;
  });
  client.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const url = new URL(responses.get(requestId)?.url ?? given.base);
    if (url.pathname.startsWith("/api/")) bytes.queries.add(url.pathname.replace("/api/v1/", ""));
    else {
      bytes.wire += encodedDataLength;
      bytes.files += 1;
    }
  });
  const began = Date.now();
  const waits = tab.page.goto(`${given.base}${path}`, { waitUntil: "domcontentloaded" });
  await tab.page.waitForFunction(TOLD, { timeout: PATIENCE_MS, polling: "mutation" });
  const told = Date.now() - began;
  await settled(tab.page);
  const all = Date.now() - began;
  await waits;
  const paint = await tab.page.evaluate(
    () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? Number.NaN,
  );
  await context.close();
  return { paint, told, all, ...bytes };
}

const middle = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const findings = [];
const unknown = new Set();
const browser = await launch(given.chromium);
try {
  console.log("page        paint ms   told ms  (worst)  all panels ms  (worst)  files  KB wire  KB files  KB answers");
  for (const path of PATHS) {
    const runs = [];
    for (let run = 0; run < Number(given.runs); run += 1) runs.push(await once(browser, path, findings));
    const of = (key) => runs.map((one) => one[key]);
    const kb = (key) => (middle(of(key)) / 1000).toFixed(0);
    console.log(
      [
        path.split("?")[0].padEnd(10),
        middle(of("paint")).toFixed(0).padStart(10),
        String(middle(of("told"))).padStart(9),
        String(Math.max(...of("told"))).padStart(8),
        String(middle(of("all"))).padStart(14),
        String(Math.max(...of("all"))).padStart(8),
        String(middle(of("files"))).padStart(6),
        kb("wire").padStart(8),
        kb("unpacked").padStart(9),
        kb("answers").padStart(11),
      ].join(" "),
    );
    for (const run of runs)
      for (const asked of run.queries) {
        const name = asked.replace("queries/", "");
        if (known && asked.startsWith("queries/") && !known.includes(name))
          unknown.add(`${path} asks ${name}, which is not among the questions that are measured`);
      }
  }
} finally {
  await browser.close();
}
for (const one of new Set([...findings, ...unknown])) console.log(`FOUND ${one}`);
process.exitCode = unknown.size > 0 ? 1 : 0;
