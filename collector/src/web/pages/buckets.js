// Rows of the API as steps of a chart, and how complete these are. Pure.

/** Rows as objects by the names of the columns. */
export function objects(answer) {
  const names = answer.columns.map((column) => column.name);
  return answer.rows.map((row) => Object.fromEntries(names.map((name, at) => [name, row[at]])));
}

/** Every step of an aligned range, Unix s. */
export function grid({ from, to, step }) {
  const steps = [];
  for (let at = from; at < to; at += step) steps.push(at);
  return steps;
}

const second = (text) => Date.parse(text) / 1000;

/**
 * Columns of rows on the grid: null where a step has no row, so that lines have holes.
 * `present` is how much of each step is known, 0 to 1: `covered_ratio` where the rows have it.
 */
export function columns(rows, keys, range) {
  const steps = grid(range);
  const data = keys.map(() => new Array(steps.length).fill(null));
  const present = new Array(steps.length).fill(0);
  for (const row of rows) {
    const at = Math.floor((second(row.t) - range.from) / range.step);
    if (!(at >= 0 && at < steps.length)) continue;
    keys.forEach((key, column) => {
      const value = row[key];
      if (typeof value === "number") data[column][at] = value;
    });
    present[at] = row.covered_ratio === undefined ? 1 : Number(row.covered_ratio ?? 0);
  }
  return { steps, data, present };
}

/** Rows of several series of one figure, as columns, the series with most first. */
export function pivot(rows, name, value, range, most) {
  const totals = new Map();
  for (const row of rows) totals.set(row[name], (totals.get(row[name]) ?? 0) + (row[value] ?? 0));
  const names = [...totals]
    .sort((a, b) => b[1] - a[1])
    .slice(0, most)
    .map(([key]) => key);
  const merged = new Map();
  for (const row of rows) {
    const at = names.indexOf(row[name]);
    if (at < 0) continue;
    if (!merged.has(row.t)) merged.set(row.t, { t: row.t });
    merged.get(row.t)[`s${at}`] = row[value];
  }
  const keys = names.map((_, at) => `s${at}`);
  return { names, keys, left: totals.size - names.length, ...columns([...merged.values()], keys, range) };
}

/** How much of a range is known, and since when nothing is. */
export function completeness({ present, steps }, step) {
  const known = present.reduce((sum, share) => sum + Math.min(1, share), 0) * step;
  const all = steps.length * step;
  let newest = null;
  for (let at = steps.length - 1; at >= 0 && newest === null; at -= 1) if (present[at] > 0) newest = steps[at] + step;
  return { known, all, share: all > 0 ? known / all : 0, newest };
}

/** `58 of 60 minutes`. */
export function completenessText({ known, all }) {
  const [length, unit] = all > 4 * 86400 ? [3600, "hours"] : all >= 120 ? [60, "minutes"] : [1, "seconds"];
  return `${Math.floor(known / length + 1e-6)} of ${Math.round(all / length)} ${unit}`;
}

/** Sums of series on top of each other; null where any is unknown. */
export function stacked(data) {
  const sums = [];
  data.forEach((series, number) => {
    sums.push(
      series.map((value, at) => {
        if (value === null) return null;
        return number === 0 ? value : sums[number - 1][at] === null ? null : sums[number - 1][at] + value;
      }),
    );
  });
  return sums;
}
