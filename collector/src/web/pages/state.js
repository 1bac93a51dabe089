// What is shown lives in the URL: the range, the theme, and what a page is about. Pure.

/** Goes along to other pages. */
const KEPT = ["from", "to", "theme"];
const DEFAULTS = { from: "-1h", to: "now" };
const VALUE_MAX = 300;

export const THEMES = ["light", "dark"];

/** The state of a URL: known defaults, bounded values. */
export function read(search) {
  const state = { ...DEFAULTS };
  for (const [name, value] of new URLSearchParams(search)) {
    if (/^[a-z_]{1,40}$/.test(name) && value.length <= VALUE_MAX && value !== "") state[name] = value;
  }
  if (!THEMES.includes(state.theme)) delete state.theme;
  return state;
}

/** A URL of a path with what is kept of the state, and more; null and '' take something away. */
export function link(path, state, changes = {}, all = false) {
  const query = new URLSearchParams();
  const names = all ? Object.keys(state) : KEPT;
  for (const [name, value] of [...names.map((name) => [name, state[name]]), ...Object.entries(changes)]) {
    if (value === undefined || value === null || value === "" || value === DEFAULTS[name]) query.delete(name);
    else query.set(name, String(value));
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}
