// Navigation, search, theme, and who is signed in.

import { signOut } from "../api.js";
import { h, text } from "../dom.js";
import { PAGES } from "../router.js";
import { zone } from "../time.js";
import { openHelp } from "./help.js";
import { openSearch } from "./search.js";

const THEME_WORDS = { "": "Theme: system", light: "Theme: light", dark: "Theme: dark" };

export class Header {
  constructor(context) {
    this.context = context;
    this.links = PAGES.map((page) => ({ page, anchor: h("a", {}, page.name) }));
    document.getElementById("nav").append(...this.links.map(({ anchor }) => h("li", {}, anchor)));
    this.theme = h("button", { type: "button", class: "quiet", on: { click: () => this.nextTheme() } });
    this.who = h("span", { class: "who" });
    document
      .getElementById("tools")
      .append(
        h(
          "button",
          { type: "button", class: "quiet", "aria-keyshortcuts": "/", on: { click: () => openSearch(context) } },
          "Find a host ",
          h("kbd", {}, "/"),
        ),
        this.theme,
        h(
          "button",
          { type: "button", class: "quiet", "aria-keyshortcuts": "?", on: { click: openHelp } },
          "Keys ",
          h("kbd", {}, "?"),
        ),
        this.who,
      );
    this.footer = document.getElementById("footer");
    this.version = h("span", {});
    this.footer.append(
      h("span", {}, `Times are of ${zone}; UTC stands behind each.`),
      this.version,
      h("a", { href: "/api/v1/openapi.json", download: "" }, "API"),
    );
  }

  nextTheme() {
    const now = this.context.state.theme ?? "";
    const order = ["", "light", "dark"];
    this.context.change({ theme: order[(order.indexOf(now) + 1) % order.length] }, true);
  }

  changed() {
    for (const { page, anchor } of this.links) {
      anchor.href = this.context.link(page.path);
      if (page.path === this.context.path) anchor.setAttribute("aria-current", "page");
      else anchor.removeAttribute("aria-current");
    }
    document.querySelector(".brand").href = this.context.link("/");
    this.theme.textContent = THEME_WORDS[this.context.state.theme ?? ""];
  }

  signedIn(who) {
    this.version.textContent = who?.version ? `crmscope ${who.version}` : "";
    if (!who?.signed_in) return;
    const out =
      who.how === "token" &&
      h("button", { type: "button", class: "quiet", on: { click: () => this.leave() } }, "Sign out");
    this.who.replaceChildren(text(who.name), ` (${who.role}) `, ...(out ? [out] : []));
  }

  async leave() {
    try {
      await signOut();
    } finally {
      location.assign("/sign-in");
    }
  }
}
