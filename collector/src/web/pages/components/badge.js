// A level as shape, colour and word.

import { h } from "../dom.js";
import { visible } from "../format.js";

const SHAPES = { good: "\u25cf", warn: "\u25b2", bad: "\u25a0", unknown: "\u25cb" };
/** Levels of findings and their like in the one vocabulary. */
const FINDING_LEVELS = { critical: "bad", high: "bad", medium: "warn", low: "good", informational: "good" };

export const known = (level) => (level in SHAPES ? level : "unknown");
export const levelOfFinding = (level) => FINDING_LEVELS[level] ?? "warn";

/** The shape says the level, the words what it is about. */
export function badge(level, words) {
  const sure = known(level);
  return h(
    "span",
    { class: `badge ${sure}` },
    h("span", { class: "shape", "aria-hidden": "true" }, SHAPES[sure]),
    " ",
    visible(words ?? sure),
  );
}
