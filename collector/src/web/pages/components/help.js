// Which keys there are, and how to read the signs.

import { h } from "../dom.js";
import { PAGES } from "../router.js";
import { badge } from "./badge.js";
import { open } from "./dialog.js";

const KEYS = [
  ...PAGES.map(({ key, name }) => [`g ${key}`, name]),
  ["/", "Find a host"],
  ["z", "Zoom out"],
  ["n", "Back to now"],
  ["r", "Ask again"],
  ["t", "Theme"],
  ["\u2190 \u2192", "In a chart: move the crosshair of all charts"],
  ["?", "This list"],
  ["Esc", "Close"],
];

export function openHelp() {
  if (document.querySelector("dialog[open]")) return;
  open(
    "Keys and signs",
    h(
      "dl",
      { class: "keys" },
      KEYS.flatMap(([key, what]) => [
        h("dt", {}, ...key.split(" ").map((one) => h("kbd", {}, one))),
        h("dd", {}, what),
      ]),
    ),
    h(
      "ul",
      { class: "signs" },
      h("li", {}, badge("good", "good"), " known, and as it should be"),
      h("li", {}, badge("warn", "warn"), " look when you can"),
      h("li", {}, badge("bad", "bad"), " act"),
      h("li", {}, badge("unknown", "unknown"), " nothing is known; never taken for good"),
      h("li", {}, h("span", { class: "hatch sample" }), " hatched: no data of that time, or only some"),
    ),
    h("p", {}, "Drag across a chart to zoom into it. Each chart can be shown as a table."),
  );
}
