// Wires the pages: route, header, keys, and updates.

import { session } from "./api.js";
import { Bar } from "./components/bar.js";
import { Header } from "./components/header.js";
import { keys } from "./components/keys.js";
import { h, speak } from "./dom.js";
import { Live } from "./live.js";
import { Context, follow, pageOf } from "./router.js";
import { THEMES } from "./state.js";
import { redrawCharts } from "./charts.js";

const main = document.getElementById("main");
let shown = null;
let turn = 0;

const context = new Context(route);
const live = new Live(refresh, () => context.range.live && Boolean(shown?.page), changed);
const header = new Header(context);
const bar = new Bar(context, live);

function theme() {
  const root = document.documentElement;
  const before = root.dataset.theme ?? "";
  if (THEMES.includes(context.state.theme)) root.dataset.theme = context.state.theme;
  else delete root.dataset.theme;
  if (before !== (root.dataset.theme ?? "")) redrawCharts();
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawCharts);

async function refresh(signal, force) {
  if (!shown?.page) return { failed: false };
  const page = shown.page;
  const told = await page.refresh(context, signal, force);
  if (told?.signIn) signIn();
  return told ?? { failed: false };
}

function signIn() {
  const next = location.pathname + location.search;
  context.go(context.link("/sign-in", { next }), true);
}

function changed() {
  bar.changed();
}

/** Shows what the URL says; a page that is shown already only updates. */
async function route() {
  theme();
  header.changed();
  bar.changed();
  const entry = pageOf(context.path);
  if (!entry) return missing();
  if (shown?.entry === entry && shown.page) {
    const same = shown.page.identity?.(context) ?? "";
    if (same === shown.identity) return live.now();
  }
  turn += 1;
  const own = turn;
  const first = shown === null;
  shown?.page?.close?.();
  shown = { entry, page: null };
  live.reset();
  let module;
  try {
    module = await entry.load();
  } catch (error) {
    if (own === turn)
      main.replaceChildren(
        h(
          "p",
          { class: "note bad" },
          `This page could not be loaded: ${error.message}. Reload it once the collector answers.`,
        ),
      );
    return;
  }
  if (own !== turn) return;
  const page = module.build(context);
  shown = { entry, page, identity: page.identity?.(context) ?? "" };
  main.replaceChildren(page.element);
  document.title = `${page.title?.(context) ?? entry.name} · crmscope`;
  bar.changed();
  // Who came by a link starts at the page's beginning, as after a load.
  if (!first) {
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
    speak(document.title);
  }
  live.now();
}

function missing() {
  shown = { entry: null, page: null };
  document.title = "Not found · crmscope";
  main.replaceChildren(
    h("h1", {}, "Not found"),
    h("p", {}, "There is no such page. ", h("a", { href: context.link("/") }, "Overview")),
  );
}

follow(context);
keys(context, () => live.now(true));
route();
session().then(
  (who) => {
    header.signedIn(who);
    if (!who.signed_in && context.path !== "/sign-in") signIn();
  },
  (error) => {
    if (error.status === 401 && context.path !== "/sign-in") signIn();
  },
);
