// Finding a host by a part of its name.

import { overview } from "../api.js";
import { h, id, text } from "../dom.js";
import { plural } from "../format.js";
import { badge } from "./badge.js";
import { open } from "./dialog.js";

const SHOWN = 20;

export function openSearch(context) {
  if (document.querySelector("dialog[open]")) return;
  const list = h("ul", { class: "found" });
  const told = h("p", { class: "note", role: "status" }, "Asking for the hosts\u2026");
  const field = h("input", { id: id("search"), type: "search", autocomplete: "off", spellcheck: "false" });
  const form = h("form", {}, h("label", { for: field.id }, "Part of the name, role or group"), field);
  const dialog = open("Find a host", form, told, list);
  let hosts = null;
  const show = () => {
    if (!hosts) return;
    const wanted = field.value.trim().toLowerCase();
    const found = hosts.filter((host) =>
      [host.agent_id, host.role, host.host_group].some((part) => (part ?? "").toLowerCase().includes(wanted)),
    );
    list.replaceChildren(
      ...found
        .slice(0, SHOWN)
        .map((host) =>
          h(
            "li",
            {},
            h(
              "a",
              { href: context.link("/host", { agent: host.agent_id }), on: { click: () => dialog.close() } },
              text(host.agent_id),
            ),
            " ",
            badge(host.level, host.text),
          ),
        ),
    );
    told.textContent =
      found.length > SHOWN
        ? `${plural(found.length, "host")}; the first ${SHOWN} are shown`
        : plural(found.length, "host");
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    list.querySelector("a")?.click();
  });
  field.addEventListener("input", show);
  field.focus();
  overview().then(
    (answer) => {
      hosts = answer.hosts.list;
      show();
    },
    (error) => {
      told.textContent = `The hosts are not known: ${error.message}.`;
    },
  );
}
