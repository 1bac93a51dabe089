// The pure modules of the pages, without a browser. Run by `node --test`.

import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

// Older versions of Node take .js for CommonJS unless a file beside says otherwise; what is served needs none.
const home = mkdtempSync(join(tmpdir(), "pages-"));
cpSync(join(dirname(fileURLToPath(import.meta.url)), "../../collector/src/web/pages"), home, { recursive: true });
writeFileSync(join(home, "package.json"), '{"type":"module"}');
after(() => rmSync(home, { recursive: true }));
const load = (name) => import(pathToFileURL(join(home, name)).href);

const format = await load("format.js");
const time = await load("time.js");
const buckets = await load("buckets.js");
const state = await load("state.js");

test("figures have units for people, and what is not known says so", () => {
  assert.equal(format.bytes(1536), "1.5 KiB");
  assert.equal(format.bytesRate(0), "0 B/s");
  assert.equal(format.micros(950), "950 µs");
  assert.equal(format.micros(12340), "12.3 ms");
  assert.equal(format.micros(2.5e6), "2.5 s");
  assert.equal(format.seconds(7300), "2 h");
  assert.equal(format.ratio(0.256), "25.6 %");
  for (const none of [null, undefined, NaN, Infinity])
    for (const unit of Object.values(format.UNITS)) assert.equal(unit(none), "unknown");
});

test("a share that is not all does not read as all, nor one that is something as nothing", () => {
  assert.equal(format.ratio(0.99999), "99.999 %");
  assert.equal(format.ratio(0.999999), "99.999 %");
  assert.equal(format.ratio(1), "100 %");
  assert.equal(format.ratio(0.00001), "<0.01 %");
  assert.equal(format.ratio(0), "0 %");
});

test("nothing in a stranger's text is hidden, and it has an end", () => {
  assert.equal(format.visible("a\u202eb"), "a\u2039U+202E\u203ab");
  assert.equal(
    format.visible("\u0007\u0000\u200b\ufeff"),
    "\u2039U+0007\u203a\u2039U+0000\u203a\u2039U+200B\u203a\u2039U+FEFF\u203a",
  );
  assert.equal(format.visible("\ud800"), "\u2039U+D800\u203a");
  assert.equal(format.visible("Łódź 日本 😀"), "Łódź 日本 😀");
  assert.equal(format.visible("x".repeat(5000)).length, 401);
  assert.equal(format.visible(null), "");
});

test("ranges of the URL are bounded, and nonsense is the last hour", () => {
  const now = 1_000_000_000;
  assert.deepEqual(time.resolve("-6h", "now", now), { start: now - 21600, end: now, live: true });
  assert.equal(time.resolve("2001-09-09T00:00:00Z", "2001-09-09T01:00:00Z", now).live, false);
  for (const bad of ["", "x", "-1y", "-99999999d", "9999", "now"]) {
    const { start, end } = time.resolve(bad, "now", now);
    assert.ok(end - start >= 60 && end - start <= 400 * 86400, bad);
  }
  const { start, end } = time.resolve("-1h", "-2h", now);
  assert.ok(end > start);
});

test("steps are such as roll-ups have, and a chart has no more than it has room for", () => {
  for (const length of [900, 3600, 21600, 86400, 604800, 2592000, 400 * 86400]) {
    const step = time.stepFor(length, 150, 60);
    assert.ok(length / step <= 150 || step === 604800, `${length} ${step}`);
    assert.equal(step < 3600 ? step % 60 : step % 3600, 0);
  }
});

test("a live range ends with the last whole step, so that no step looks like a fall", () => {
  const range = time.aligned({ start: 1000, end: 4607, live: true }, 60);
  assert.equal(range.to % 60, 0);
  assert.ok(range.to <= 4607 - 15);
  assert.equal(range.to - range.from, 3660);
  const over = time.aligned({ start: 1010, end: 4610, live: false }, 60);
  assert.ok(over.from <= 1010 && over.to >= 4610);
});

const iso = (second) => new Date(second * 1000).toISOString();

test("steps without a row are holes, and thin ones count by what is known", () => {
  const range = { from: 0, to: 300, step: 60 };
  const rows = [
    { t: iso(0), v: 1, covered_ratio: 1 },
    { t: iso(120), v: null, covered_ratio: 0.5 },
    { t: iso(9999), v: 7 },
  ];
  const { steps, data, present } = buckets.columns(rows, ["v"], range);
  assert.deepEqual(steps, [0, 60, 120, 180, 240]);
  assert.deepEqual(data, [[1, null, null, null, null]]);
  assert.deepEqual(present, [1, 0, 0.5, 0, 0]);
  const complete = buckets.completeness({ steps, present }, 60);
  assert.equal(buckets.completenessText(complete), "1 of 5 minutes");
  assert.equal(complete.newest, 180);
  assert.equal(buckets.completeness({ steps, present: [0, 0, 0, 0, 0] }, 60).newest, null);
});

test("the largest series of a column are shown, and the rest is told", () => {
  const rows = ["a", "b", "c"].flatMap((name, at) => [
    { t: iso(0), name, v: at },
    { t: iso(60), name, v: at },
  ]);
  const { names, left, data } = buckets.pivot(rows, "name", "v", { from: 0, to: 120, step: 60 }, 2);
  assert.deepEqual(names, ["c", "b"]);
  assert.equal(left, 1);
  assert.deepEqual(data, [
    [2, 2],
    [1, 1],
  ]);
});

test("series on top of each other end where one of them is not known", () => {
  assert.deepEqual(
    buckets.stacked([
      [1, null, 3],
      [1, 1, 1],
    ]),
    [
      [1, null, 3],
      [2, null, 4],
    ],
  );
});

test("the URL keeps the range and the theme from page to page, and nothing else", () => {
  const read = state.read("?from=-6h&theme=dark&agent=a&x=&__proto__=1&TOO=1");
  assert.equal(read.from, "-6h");
  assert.equal(read.to, "now");
  assert.equal(state.link("/fleet", read), "/fleet?from=-6h&theme=dark");
  assert.equal(state.link("/host", read, { theme: "" }, true), "/host?from=-6h&agent=a");
  assert.equal(state.read("?theme=pink").theme, undefined);
  assert.equal(state.read(`?agent=${"x".repeat(301)}`).agent, undefined);
});
