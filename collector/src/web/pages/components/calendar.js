// The availability calendar: hosts by day, the worst first.

import { h, text } from "../dom.js";
import { count, plural, ratio, seconds, visible } from "../format.js";
import { Panel } from "./panel.js";

const DAYS = 30;
const FIRST_HOSTS = 25;
const DAY_MS = 86400000;

/** What a day's figures are: a level, a sign that needs no colour, and words. */
export function day(row) {
  if (!row) return { level: "unknown", sign: "", words: "nothing judged" };
  const down = row.total_down_seconds;
  const unknown = row.unknown_seconds;
  const told = [
    `up ${ratio(row.total_low)}`,
    down > 0 && `down ${seconds(down)}`,
    unknown > 0 && `unknown ${seconds(unknown)}`,
  ]
    .filter(Boolean)
    .join(", ");
  if (down > 0) return { level: "bad", sign: String(Math.min(99, Math.floor(row.total_high * 100))), words: told };
  if (row.total_high - row.total_low > 0.001) return { level: "unknown", sign: "?", words: told };
  return { level: "good", sign: "\u2713", words: told };
}

export function calendarPanel(context) {
  const holder = h("div", {
    class: "scroll",
    tabindex: 0,
    role: "group",
    "aria-label": "Availability by host and day",
  });
  const more = h("button", {
    type: "button",
    class: "quiet",
    hidden: true,
    on: {
      click: () => {
        all = !all;
        draw();
      },
    },
  });
  const none = h(
    "p",
    { class: "none", hidden: true },
    "No hour was judged yet: the first is some minutes after it is over.",
  );
  let all = false;
  let rows = [];
  const panel = new Panel({
    title: `Availability, last ${DAYS} days`,
    wide: true,
    every: 60,
    note: "Days of UTC, server and network at once, maintenance not left out. \u2713 up all the time that is known; a figure is the share of the day, in %, that it may have been up; ? means that some is unknown.",
    asks: () => [
      {
        name: "availability_by_day",
        parameters: { agent: context.state.agent, from: `-${DAYS - 1}d`, to: "now", limit: 10000 },
      },
    ],
    show: ([answer], own) => {
      rows = answer.objects;
      draw();
      const down = rows.filter((row) => row.total_down_seconds > 0).length;
      const unknown = rows.filter((row) => row.unknown_seconds > 0).length;
      const hosts = new Set(rows.map((row) => row.agent_id)).size;
      const cut = answer.next_offset ? "; some hosts are left out" : "";
      own.meta(
        rows.length === 0 ? "unknown" : down > 0 ? "bad" : unknown > 0 ? "unknown" : "good",
        `${plural(hosts, "host")}, ${plural(rows.length, "host-day")}: ${count(down)} with time down, ${count(unknown)} with time unknown${cut}`,
      );
    },
  });

  function draw() {
    const hosts = new Map();
    for (const row of rows) {
      if (!hosts.has(row.agent_id))
        hosts.set(row.agent_id, { name: row.agent_id, days: new Map(), down: 0, unknown: 0 });
      const of = hosts.get(row.agent_id);
      of.days.set(row.day.slice(0, 10), row);
      of.down += row.total_down_seconds;
      of.unknown += row.unknown_seconds;
    }
    const sorted = [...hosts.values()].sort(
      (a, b) => b.down - a.down || b.unknown - a.unknown || a.name.localeCompare(b.name),
    );
    none.hidden = sorted.length > 0;
    holder.hidden = sorted.length === 0;
    more.hidden = sorted.length <= FIRST_HOSTS;
    more.textContent = all ? "Show fewer hosts" : `Show all ${sorted.length} hosts`;
    const today = Date.now();
    const dates = Array.from({ length: DAYS }, (_, at) =>
      new Date(today - (DAYS - 1 - at) * DAY_MS).toISOString().slice(0, 10),
    );
    const made = table(context, all ? sorted : sorted.slice(0, FIRST_HOSTS), dates);
    if (!holder.firstChild?.isEqualNode(made)) holder.replaceChildren(made);
  }

  panel.body.append(none, holder, more);
  return panel;
}

function table(context, hosts, dates) {
  const head = h(
    "tr",
    {},
    h("th", { scope: "col" }, "Host"),
    dates.map((date) =>
      h(
        "th",
        { scope: "col", title: date },
        h("span", { class: "unseen" }, date),
        h("span", { "aria-hidden": "true" }, date.slice(8)),
      ),
    ),
  );
  const rows = hosts.map((host) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, h("a", { href: context.link("/presence", { agent: host.name }) }, text(host.name))),
      dates.map((date) => {
        const { level, sign, words } = day(host.days.get(date));
        return h(
          "td",
          {},
          h(
            "span",
            { class: `day ${level}`, title: `${visible(host.name)}, ${date}: ${words}` },
            h("span", { "aria-hidden": "true" }, sign),
            h("span", { class: "unseen" }, words),
          ),
        );
      }),
    ),
  );
  return h(
    "table",
    { class: "calendar" },
    h("caption", { class: "unseen" }, "Availability by host and day"),
    h("thead", {}, head),
    h("tbody", {}, rows),
  );
}
