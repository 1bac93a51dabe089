// Overlays: native dialogs, which hold the focus and give it back.

import { h, id } from "../dom.js";

/** Opens a dialog with a heading; it goes away when it is closed. */
export function open(title, ...content) {
  const label = id("dialog");
  const dialog = h(
    "dialog",
    { "aria-labelledby": label },
    h(
      "header",
      {},
      h("h2", { id: label }, title),
      h("button", { type: "button", class: "quiet", on: { click: () => dialog.close() } }, "Close"),
    ),
    ...content,
  );
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
