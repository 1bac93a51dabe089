// A strip of steps in which a host was heard: a full bar where it was, a lower one where it was for a part, a low
// red one where it was not, and hatching where nothing is known.

import { h, property } from "../dom.js";
import { plural } from "../format.js";
import { hatch } from "../hatch.js";

const HEIGHT = 16;

/** In words what a strip shows. */
export function stripWords(shares, unit = "minute") {
  const known = shares.filter((share) => share !== null);
  if (known.length === 0) return `nothing is known of ${plural(shares.length, unit)}`;
  const heard = known.filter((share) => share > 0).length;
  const unknown = shares.length - known.length;
  return `heard in ${heard} of ${plural(known.length, unit)}${unknown > 0 ? `, ${unknown} unknown` : ""}`;
}

/** The strip as an element with `take(shares)`, which says whether it could show these instead. */
export function strip(shares, { width = 122, unit = "minute", height = HEIGHT } = {}) {
  const canvas = h("canvas", { class: "strip", role: "img" });
  let drawn = "";
  canvas.take = (next) => {
    const key = `${next.join()}${property("--good")}`;
    if (key === drawn) return true;
    drawn = key;
    canvas.setAttribute("aria-label", stripWords(next, unit));
    canvas.title = stripWords(next, unit);
    paint(canvas, next, typeof width === "function" ? width() : width, height);
    return true;
  };
  canvas.take(shares);
  return canvas;
}

function paint(canvas, shares, width, height) {
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const ctx = canvas.getContext("2d");
  ctx.scale(scale, scale);
  const step = width / Math.max(1, shares.length);
  const gap = step > 3 ? 1 : 0;
  const colors = { good: property("--good"), bad: property("--bad"), warn: property("--warn") };
  const unknown = hatch(ctx);
  shares.forEach((share, at) => {
    const left = at * step;
    if (share === null) {
      ctx.fillStyle = unknown;
      ctx.fillRect(left, 0, step, height);
      return;
    }
    ctx.fillStyle = share <= 0 ? colors.bad : share < 0.8 ? colors.warn : colors.good;
    const tall = share <= 0 ? 3 : Math.max(5, height * share);
    ctx.fillRect(left, height - tall, Math.max(1, step - gap), tall);
  });
}
