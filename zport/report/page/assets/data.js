/** The data inside the page: tables become records again, and values that many share are put back. */

/**
 * @typedef {Record<string, any>} Row
 * @typedef {{ columns: string[], rows: any[][] }} Table
 * @typedef {"worse" | "better" | "other" | "numbers" | "same" | "new" | "gone"} Change
 * @typedef {Row & {
 *   model: string, agent: string, target: string, runner: string, emulated: boolean,
 *   verdict: string, reason: string | null, largest_absolute: number | string | null,
 *   change: Change, before: Row | null, history: [number, string, any][],
 *   log: string | null, log_tail: string | null, id: string, text: string, bench: Row | null,
 * }} Cell
 * @typedef {Row & { package: string, version: string, suite: Row | null }} Package
 * @typedef {{
 *   zport: string, written: string, run: number | null, against: number | null, runs: Row[],
 *   problems: string[], cells: Cell[], gone: Row[],
 *   benches: Row[], images: Row[], steps: Row[], packages: Package[], byId: Map<string, Cell>,
 * }} Data
 */

/** Verdicts, the worst first; a word that is not among them counts as worse than all. */
export const VERDICTS = ["differs", "crash", "timeout", "blocked", "unsupported", "not_run", "pass"];

/** @param {string} verdict */
export function rank(verdict) {
  return VERDICTS.indexOf(verdict);
}

/** What makes a cell the same in another run, as one word for the address. @param {Row} row */
export function idOf(row) {
  const parts = [row.model, row.agent, row.target, row.runner];
  return parts.map((part) => String(part).replaceAll("%", "%25").replaceAll("|", "%7C")).join("|");
}

/** @returns {Data} */
export function load() {
  const raw = JSON.parse(document.getElementById("data")?.textContent ?? "null");
  const shared = new Set(raw.shared.keys);
  const decode = (/** @type {Table} */ table) => records(table, shared, raw.shared.values);
  const benches = decode(raw.benches);
  const own = benches.filter((bench) => bench.of_cell);
  const ofCell = new Map(own.map((bench) => [`${bench.run} ${idOf(bench)}`, bench]));
  const cells = /** @type {Cell[]} */ (decode(raw.cells));
  for (const cell of cells) {
    cell.id = idOf(cell);
    cell.text = searched(cell);
    cell.bench = ofCell.get(`${cell.run} ${cell.id}`) ?? null;
  }
  return {
    ...raw,
    cells,
    benches,
    gone: decode(raw.gone),
    images: decode(raw.images),
    byId: new Map(cells.map((cell) => [cell.id, cell])),
  };
}

/**
 * @param {Table} table
 * @param {Set<string>} shared
 * @param {any[]} values
 * @returns {Row[]}
 */
function records({ columns, rows }, shared, values) {
  const isShared = columns.map((name) => shared.has(name));
  return rows.map((row) => {
    /** @type {Row} */
    const record = {};
    columns.forEach((name, i) => {
      record[name] = isShared[i] && row[i] !== null ? values[row[i]] : row[i];
    });
    return record;
  });
}

/** What the search looks through. @param {Row} cell */
function searched(cell) {
  const operator = cell.differing ? JSON.stringify(cell.differing) : "";
  return [cell.model, cell.model_version, cell.framework, cell.verdict, cell.reason, operator]
    .join(" ")
    .toLowerCase();
}

/**
 * The different values of a key, sorted.
 *
 * @param {Row[]} rows
 * @param {string} key
 * @returns {string[]}
 */
export function distinct(rows, key) {
  const values = new Set(rows.map((row) => row[key]).filter((value) => value !== null && value !== undefined));
  return [...values].map(String).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}

/**
 * How often each value of a key is there.
 *
 * @param {Row[]} rows
 * @param {string} key
 * @returns {Map<string, number>}
 */
export function counts(rows, key) {
  /** @type {Map<string, number>} */
  const found = new Map();
  for (const row of rows) found.set(row[key], (found.get(row[key]) ?? 0) + 1);
  return found;
}
