// Before the first agent: how to add it.

import { h, speak } from "../dom.js";
import { visible } from "../format.js";

/** The exact command, with a button that copies it. */
export function addAgent(command, heading = "No agent has connected yet") {
  const code = h("code", {}, visibleLines(command));
  const button = h("button", { type: "button", on: { click: () => copy(command, button, code) } }, "Copy the command");
  return h(
    "section",
    { class: "panel wide empty", "aria-label": heading },
    h("h2", {}, heading),
    h("p", {}, "On the host to watch, run this. The host shows here within seconds."),
    h("pre", { tabindex: 0, role: "group", "aria-label": "The command that starts an agent" }, code),
    button,
  );
}

const visibleLines = (command) =>
  String(command ?? "")
    .split("\n")
    .map(visible)
    .join("\n");

async function copy(command, button, code) {
  try {
    await navigator.clipboard.writeText(command);
    button.textContent = "Copied";
    speak("The command was copied.");
  } catch {
    // Without a secure context there is no clipboard: select it, so that one key is enough.
    getSelection().selectAllChildren(code);
    button.textContent = "Selected: press Ctrl+C";
  }
}
