// Elements. Text goes in as text, never as markup.

import { visible } from "./format.js";
import { clock, utc } from "./time.js";

/**
 * An element with attributes and children; strings become text. `on` has listeners, `is` properties.
 * Styles are set by the caller through CSSOM, as the page's policy allows no others.
 */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (key === "is") Object.assign(element, value);
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A stranger's text, isolated from what stands around it. */
export const text = (value, kind = "span") =>
  h(kind, { class: "text", title: String(value ?? "").length > 400 ? "cut" : null }, visible(value));

/** A moment: in the browser's zone, and in UTC on hover. */
export function time(ms, exact = true) {
  if (!(ms > 0)) return h("span", { class: "none" }, "unknown");
  return h("time", { datetime: new Date(ms).toISOString(), title: utc(ms) }, clock(ms, Date.now(), exact));
}

let next = 0;
/** A fresh id for labels. */
export const id = (prefix) => `${prefix}-${(next += 1)}`;

/** Says something to those who listen. */
export function speak(sentence) {
  const region = document.getElementById("spoken");
  if (region) region.textContent = sentence;
}

/** The value of a custom property as it is now, for what is drawn. */
export const property = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
