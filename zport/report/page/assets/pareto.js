/** Pareto fronts: what nothing else of the same model and scenario beats in both of two measures. */

/** @typedef {import("page/axes.js").Key} Key */
/** @typedef {import("page/axes.js").Point} Point */

/**
 * The front of each model and scenario, in the order of x. Invalid results are in none, and
 * emulated results never stand beside real ones: each kind has its own fronts.
 *
 * @param {Point[]} points
 * @param {Key} x
 * @param {Key} y
 * @returns {Point[][]} nothing where an axis has no better side
 */
export function fronts(points, x, y) {
  if (!x.better || !y.better || x === y) return [];
  /** @type {Map<string, Point[]>} */
  const groups = new Map();
  for (const point of points) {
    if (point.bench.valid !== true) continue;
    if (typeof point.values[x.name] !== "number" || typeof point.values[y.name] !== "number") continue;
    const group = JSON.stringify([point.bench.model, point.bench.scenario, point.bench.emulated]);
    const known = groups.get(group);
    if (known) known.push(point);
    else groups.set(group, [point]);
  }
  return [...groups.values()].map((group) => front(group, x, y));
}

/** @param {Point[]} points @param {Key} x @param {Key} y */
function front(points, x, y) {
  const sign = (/** @type {Key} */ key) => (key.better === "lower" ? 1 : -1);
  const cost = (/** @type {Point} */ point, /** @type {Key} */ key) => sign(key) * point.values[key.name];
  const ordered = [...points].sort((a, b) => cost(a, x) - cost(b, x) || cost(a, y) - cost(b, y));
  /** @type {Point[]} */
  const kept = [];
  let best = Infinity;
  for (const point of ordered) {
    const last = kept.at(-1);
    const equal = last && cost(last, x) === cost(point, x) && cost(last, y) === cost(point, y);
    if (cost(point, y) < best || equal) kept.push(point);
    best = Math.min(best, cost(point, y));
  }
  return kept;
}
