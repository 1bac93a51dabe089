// Figures and texts for people: units, and what cannot be seen made visible. Pure.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const NONE = "unknown";

/** Up to three digits that count, without a tail of zeros. */
function short(value) {
  const size = Math.abs(value);
  if (size >= 100 || size === 0) return whole.format(value);
  return new Intl.NumberFormat("en", { maximumSignificantDigits: size >= 10 ? 3 : 2 }).format(value);
}

const known = (value) => typeof value === "number" && Number.isFinite(value);

function scaled(value, base, units) {
  let at = 0;
  let size = value;
  while (Math.abs(size) >= base && at < units.length - 1) {
    size /= base;
    at += 1;
  }
  return `${short(size)} ${units[at]}`;
}

/** A number of things. */
export const count = (value) => (known(value) ? whole.format(value) : NONE);

/** A number with a fraction. */
export const number = (value) => (known(value) ? short(value) : NONE);

/** Things a second. */
export const rate = (value) => (known(value) ? `${short(value)} /s` : NONE);

/** A share of 0 to 1. */
export function ratio(value) {
  if (!known(value)) return NONE;
  const percent = value * 100;
  if (percent !== 0 && Math.abs(percent) < 0.01) return "<0.01 %";
  // 99.996 must not read as all.
  if (percent < 100 && percent > 99.9) return `${(Math.floor(percent * 1000) / 1000).toFixed(3)} %`;
  return `${short(percent)} %`;
}

export const bytes = (value) => (known(value) ? scaled(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]) : NONE);
export const bytesRate = (value) => (known(value) ? `${bytes(value)}/s` : NONE);

/** A time in µs. */
export function micros(value) {
  if (!known(value)) return NONE;
  if (Math.abs(value) < 1000) return `${short(value)} µs`;
  if (Math.abs(value) < 1e6) return `${short(value / 1000)} ms`;
  return seconds(value / 1e6);
}

export const millis = (value) => (known(value) ? micros(value * 1000) : NONE);

/** A length of time in s, also a long one. */
export function seconds(value) {
  if (!known(value)) return NONE;
  const size = Math.abs(value);
  if (size < 0.001 && size > 0) return `${short(value * 1e6)} µs`;
  if (size < 1 && size > 0) return `${short(value * 1000)} ms`;
  if (size < 120) return `${short(value)} s`;
  if (size < 7200) return `${short(value / 60)} min`;
  if (size < 172800) return `${short(value / 3600)} h`;
  return `${short(value / 86400)} days`;
}

/** How old something is; short ages in whole seconds, so that they do not flicker. */
export const age = (value) => (known(value) ? seconds(value < 120 ? Math.round(value) : value) : NONE);

export const celsius = (value) => (known(value) ? `${short(value)} °C` : NONE);

/** By the unit's name in chart and column definitions. */
export const UNITS = { count, number, rate, ratio, bytes, bytesRate, micros, millis, seconds, age, celsius };

// Controls, directions, joiners and everything else that is not seen but changes what is.
const HIDDEN =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]|[\u{e0000}-\u{e0fff}]/gu;
const TEXT_MAX = 400;

function shown(character) {
  const code = character.codePointAt(0);
  return `\u2039U+${code.toString(16).toUpperCase().padStart(4, "0")}\u203a`;
}

/** A stranger's text as it may be shown: nothing hidden, and of bounded length. */
export function visible(text) {
  const all = String(text ?? "");
  const cut = all.length > TEXT_MAX ? `${all.slice(0, TEXT_MAX)}\u2026` : all;
  return cut.replace(HIDDEN, shown);
}

/** `1 row`, `2 rows`. */
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

/** A name of the API in words: `host_silent` is `host silent`. */
export const words = (name) => visible(name).replaceAll("_", " ");
