// The range of time that is shown, and whether what is shown is fresh.

import { h, time } from "../dom.js";
import { visible } from "../format.js";
import { RANGES, clock, iso, local } from "../time.js";

export class Bar {
  constructor(context, live) {
    this.context = context;
    this.live = live;
    this.element = document.getElementById("bar");
    this.banner = document.getElementById("banner");
    this.select = h(
      "select",
      { id: "range", on: { change: () => this.chosen() } },
      RANGES.map(([value, name]) => h("option", { value }, name)),
      h("option", { value: "custom" }, "Custom"),
    );
    this.from = h("input", { type: "datetime-local", "aria-label": "From" });
    this.to = h("input", { type: "datetime-local", "aria-label": "To" });
    this.custom = h(
      "form",
      { class: "custom", hidden: true, on: { submit: (event) => this.apply(event) } },
      this.from,
      "to",
      this.to,
      h("button", { type: "submit" }, "Show"),
    );
    this.out = h(
      "button",
      { type: "button", class: "quiet", title: "Twice the range (z)", on: { click: () => zoomOut(this.context) } },
      "Zoom out",
    );
    this.back = h(
      "button",
      { type: "button", class: "quiet", hidden: true, on: { click: () => context.change({ from: "", to: "" }) } },
      "Back to now",
    );
    this.status = h("span", { class: "status" });
    this.element.append(
      h("label", { for: "range" }, "Range"),
      this.select,
      this.custom,
      this.out,
      this.back,
      this.status,
    );
    setInterval(() => this.fresh(), 1000);
  }

  chosen() {
    if (this.select.value !== "custom") {
      this.custom.hidden = true;
      this.context.change({ from: this.select.value, to: "now" });
      return;
    }
    const { start, end } = this.context.range;
    this.from.value = local(start);
    this.to.value = local(end);
    this.custom.hidden = false;
    this.from.focus();
  }

  apply(event) {
    event.preventDefault();
    const [from, to] = [this.from.value, this.to.value].map((value) => Date.parse(value) / 1000);
    if (!(to > from)) {
      this.to.setCustomValidity("The end must be after the beginning.");
      this.to.reportValidity();
      this.to.setCustomValidity("");
      return;
    }
    this.context.change({ from: iso(from), to: iso(to) });
  }

  changed() {
    const { from, to } = this.context.state;
    this.element.hidden = this.context.path === "/sign-in";
    const listed = to === "now" && RANGES.some(([value]) => value === from);
    if (document.activeElement !== this.select || listed) this.select.value = listed ? from : "custom";
    if (listed) this.custom.hidden = true;
    else {
      const { start, end } = this.context.range;
      this.custom.hidden = false;
      if (!this.custom.contains(document.activeElement)) {
        this.from.value = local(start);
        this.to.value = local(end);
      }
    }
    this.back.hidden = to === "now";
    this.fresh();
  }

  fresh() {
    const { updatedMs, failures, why } = this.live;
    const isLive = this.context.range.live;
    const mode = document.hidden ? "paused" : isLive ? "live" : "a range that is over";
    const at = updatedMs === null ? "not asked yet" : `updated ${clock(updatedMs)}`;
    const said = `${at} · ${mode}`;
    if (this.said !== said) {
      this.said = said;
      this.status.replaceChildren(...(updatedMs === null ? [said] : ["updated ", time(updatedMs), ` · ${mode}`]));
    }
    const trouble =
      failures > 0
        ? `Not updated since ${updatedMs === null ? "this page was opened" : clock(updatedMs)}: ${visible(why)}. What you see may have changed; asking again.`
        : "";
    if (this.banner.textContent !== trouble) {
      this.banner.textContent = trouble;
      this.banner.hidden = trouble === "";
    }
  }
}

/** Twice the range, around its middle; one that ends now still does. */
export function zoomOut(context) {
  const { start, end, live } = context.range;
  const half = (end - start) / 2;
  if (live) context.change({ from: `-${Math.round(2 * (end - start))}s`, to: "now" });
  else
    context.change({
      from: iso(Math.round(start - half)),
      to: iso(Math.round(Math.min(end + half, Date.now() / 1000))),
    });
}
