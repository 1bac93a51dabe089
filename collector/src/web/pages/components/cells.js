// Columns that many tables have.

import { h, text, time } from "../dom.js";
import { age, visible } from "../format.js";
import { badge } from "./badge.js";

/** A state that a row tells: what is old tells nothing of now. */
export function told(row, level, words, limit = 300) {
  return row.age_seconds > limit ? badge("unknown", `${words}, ${age(row.age_seconds)} ago`) : badge(level, words);
}

/** A figure that is sorted by its value. */
export const figure = (label, key, show, hint) => ({
  label,
  hint,
  numeric: true,
  value: (row) => row[key],
  show: (row) => show(row[key]),
});
/** A name or a stranger's text. */
export const name = (label, key, header = false) => ({
  label,
  header,
  value: (row) => row[key],
  show: (row) => text(row[key]),
});
/** A moment that the API gives as RFC 3339. */
export const moment = (label, key) => ({ label, value: (row) => row[key], show: (row) => time(Date.parse(row[key])) });
/** A moment of Unix ms; 0 is none. */
export const momentMs = (label, key, none = "never") => ({
  label,
  value: (row) => row[key],
  show: (row) => (row[key] > 0 ? time(row[key]) : none),
});
/** A sentence: it may take several lines. */
export const sentence = (label, key) => ({ ...name(label, key), long: true });
/** Several texts. */
export const list = (label, key) => ({
  label,
  value: (row) => (row[key] ?? []).join(),
  show: (row) => h("span", {}, (row[key] ?? []).map((one, at) => [at > 0 ? ", " : "", text(one)]).flat()),
});
/** A host, with a link to it. */
export const host = (context, label = "Host", key = "agent_id") => ({
  label,
  header: true,
  value: (row) => row[key],
  show: (row) =>
    row[key] ? h("a", { href: context.link("/host", { agent: row[key] }) }, text(row[key])) : visible(""),
});
