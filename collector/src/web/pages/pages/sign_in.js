// Sign-in by token.

import { signIn } from "../api.js";
import { h } from "../dom.js";
import { badge } from "../components/badge.js";

/** Only paths of these pages: a link must not lead elsewhere after a sign-in. */
export function target(next) {
  return /^\/(?![/\\])[\x21-\x7e]*$/.test(next ?? "") ? next : "/";
}

export function build(context) {
  const token = h("input", {
    id: "token",
    type: "password",
    autocomplete: "current-password",
    required: true,
    spellcheck: "false",
    "aria-describedby": "told",
  });
  const told = h("p", { id: "told", class: "note", role: "alert" });
  const button = h("button", { type: "submit" }, "Sign in");
  const form = h(
    "form",
    { class: "panel sign-in", on: { submit } },
    h("h1", {}, "Sign in"),
    h("p", {}, "The collector asks who you are. Its operator has a token for you."),
    h("label", { for: "token" }, "Token"),
    token,
    button,
    told,
  );

  async function submit(event) {
    event.preventDefault();
    button.disabled = true;
    told.replaceChildren();
    try {
      await signIn(token.value.trim());
      location.assign(target(context.state.next));
    } catch (error) {
      told.replaceChildren(badge("bad", `Not signed in: ${error.message}.`));
      token.select();
    } finally {
      button.disabled = false;
    }
  }

  return { element: h("div", { class: "page narrow" }, form), refresh: async () => ({ failed: false, asked: false }) };
}
