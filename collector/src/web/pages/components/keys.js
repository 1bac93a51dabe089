// Keys of all pages. None of them works while somebody types.

import { PAGES } from "../router.js";
import { zoomOut } from "./bar.js";
import { openHelp } from "./help.js";
import { openSearch } from "./search.js";

function types(target) {
  return target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName);
}

export function keys(context, refresh) {
  // Whether `g` was the key before. No time limits it: a page that is busy drawing takes keys late.
  let goes = false;
  const actions = {
    "/": () => openSearch(context),
    "?": openHelp,
    z: () => zoomOut(context),
    n: () => context.change({ from: "", to: "" }),
    r: refresh,
    t: () => {
      const order = ["", "light", "dark"];
      context.change({ theme: order[(order.indexOf(context.state.theme ?? "") + 1) % 3] }, true);
    },
  };
  addEventListener("pointerdown", () => {
    goes = false;
  });
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (types(event.target) || document.querySelector("dialog[open]") || context.path === "/sign-in") return;
    const page = goes && PAGES.find(({ key }) => key === event.key);
    goes = event.key === "g";
    if (page) {
      event.preventDefault();
      context.go(context.link(page.path));
      return;
    }
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
