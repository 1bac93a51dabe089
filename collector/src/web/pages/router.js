// Which page is shown: paths, titles, and links that need no reload.

import { link, read } from "./state.js";
import { resolve } from "./time.js";

/** Path, name in the navigation, its key after `g`, and where its module lies. */
export const PAGES = [
  { path: "/", name: "Overview", key: "o", load: () => import("./pages/overview.js") },
  { path: "/host", name: "Host", key: "h", load: () => import("./pages/host.js") },
  { path: "/services", name: "Services", key: "v", load: () => import("./pages/services.js") },
  { path: "/security", name: "Security", key: "s", load: () => import("./pages/security.js") },
  { path: "/presence", name: "Presence", key: "p", load: () => import("./pages/presence.js") },
  { path: "/ledger", name: "Ledger", key: "l", load: () => import("./pages/ledger.js") },
  { path: "/fleet", name: "Fleet", key: "f", load: () => import("./pages/fleet.js") },
];
const SIGN_IN = { path: "/sign-in", name: "Sign in", load: () => import("./pages/sign_in.js") };

export const pageOf = (path) => [...PAGES, SIGN_IN].find((page) => page.path === path);

/** What pages are given: the state of the URL, the range, and ways to change both. */
export class Context {
  constructor(route) {
    this.route = route;
    this.read();
  }

  read() {
    this.path = location.pathname;
    this.state = read(location.search);
  }

  /** The range as it is now, Unix s. */
  get range() {
    return resolve(this.state.from, this.state.to, Date.now() / 1000);
  }

  /** About how many points a chart of the page has room for. */
  get points() {
    const width = Math.min(document.documentElement.clientWidth, 1500);
    return width < 700 ? width / 4 : width / 8;
  }

  link(path, changes) {
    return link(path, this.state, changes);
  }

  /** Changes the state of this page; `replace` leaves no step back. */
  change(changes, replace = false) {
    this.go(link(this.path, this.state, changes, true), replace);
  }

  go(url, replace = false) {
    history[replace ? "replaceState" : "pushState"](null, "", url);
    this.read();
    this.route();
  }
}

/** Links within these pages are followed without a reload, unless the reader wants another window. */
export function follow(context) {
  addEventListener("popstate", () => {
    context.read();
    context.route();
  });
  document.addEventListener("click", (event) => {
    const anchor = event.target.closest?.("a[href]");
    if (!anchor || event.defaultPrevented || event.button !== 0) return;
    if (
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey ||
      anchor.hasAttribute("download") ||
      anchor.target
    )
      return;
    const url = new URL(anchor.href);
    if (url.origin !== location.origin || !pageOf(url.pathname) || url.hash) return;
    event.preventDefault();
    context.go(url.pathname + url.search);
  });
}
