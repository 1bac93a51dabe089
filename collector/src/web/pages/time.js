// Times and ranges: what the URL says, the steps of a chart, and moments for people. Pure but for the zone.

const UNIT_SECONDS = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };
// Multiples of a minute below an hour and of an hour from there on, as roll-ups are of these.
const STEPS = [10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 604800];
// Rows of a step come this much after its end; a step that is shown before would look like a fall.
const SETTLE_SECONDS = 15;
// As far as the API lets from and to lie apart.
const RANGE_MAX_SECONDS = 400 * 86400;

export const RANGES = [
  ["-15m", "15 minutes"],
  ["-1h", "1 hour"],
  ["-6h", "6 hours"],
  ["-24h", "24 hours"],
  ["-7d", "7 days"],
  ["-30d", "30 days"],
];

/** The moment that a text of the URL means, Unix s, or null. */
export function moment(text, now) {
  if (text === "now") return now;
  const ago = /^-(\d{1,6})([smhdw])$/.exec(text);
  if (ago) return now - Number(ago[1]) * UNIT_SECONDS[ago[2]];
  if (!/^\d{4}-\d{2}-\d{2}T/.test(text)) return null;
  const at = Date.parse(text) / 1000;
  return Number.isFinite(at) ? at : null;
}

/** From and to in Unix s. What cannot be meant is the last hour. */
export function resolve(from, to, now) {
  let end = moment(to, now) ?? now;
  let start = moment(from, now);
  if (start === null || start >= end) {
    start = end - 3600;
  }
  if (end - start > RANGE_MAX_SECONDS) start = end - RANGE_MAX_SECONDS;
  if (end - start < 60) start = end - 60;
  return { start, end, live: to === "now" };
}

/** The shortest step with which a range has at most so many points. */
export function stepFor(length, points, least = 10) {
  const wanted = length / Math.max(10, points);
  return STEPS.find((step) => step >= wanted && step >= least) ?? STEPS.at(-1);
}

/** A range in whole steps; one that ends now ends with the last step that is whole. */
export function aligned({ start, end, live }, step) {
  const to = live ? Math.floor((end - SETTLE_SECONDS) / step) * step : Math.ceil(end / step) * step;
  const from = Math.floor((to - (end - start)) / step) * step;
  return { from: live ? from : Math.floor(start / step) * step, to: Math.max(to, from + step), step };
}

/** As the API takes it. */
export const iso = (second) => new Date(second * 1000).toISOString().replace(".000Z", "Z");

export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

const parts = (options) => new Intl.DateTimeFormat("en-GB", { hour12: false, ...options });
const CLOCK = parts({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const SHORT = parts({ hour: "2-digit", minute: "2-digit" });
const DAY = parts({ day: "numeric", month: "short" });
const DATED = parts({
  year: "numeric",
  month: "2-digit",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});

/** A moment, Unix ms, with the date where it is not today. */
export function clock(ms, now = Date.now(), exact = true) {
  const at = new Date(ms);
  const time = (exact ? CLOCK : SHORT).format(at);
  const sameDay = new Date(now).toDateString() === at.toDateString();
  return sameDay ? time : `${DAY.format(at)} ${time}`;
}

export const dated = (ms) => DATED.format(new Date(ms)).replace(",", "");
export const utc = (ms) => `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} UTC`;

/** For an input of kind datetime-local, in the browser's zone. */
export function local(second) {
  const at = new Date(second * 1000);
  const shifted = new Date(at.getTime() - at.getTimezoneOffset() * 60000);
  return shifted.toISOString().slice(0, 16);
}
