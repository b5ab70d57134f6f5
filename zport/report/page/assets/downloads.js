/** Downloads: the whole data of the page as JSON, and its tables as CSV. */

import { h } from "page/dom.js";

/** @typedef {import("page/data.js").Data} Data */
/** @typedef {import("page/data.js").Row} Row */

/** Keys that the page made for itself. */
const INNER = new Set(["id", "text", "bench"]);

/** @param {Data} data */
export function downloadMenu(data) {
  const tables = { cells: data.cells, benchmarks: data.benches, images: data.images, packages: data.packages.map(flat), runs: data.runs };
  const item = (/** @type {string} */ name, /** @type {() => string} */ make, /** @type {string} */ type) =>
    h("li", {}, h("button", { type: "button", on: { click: () => save(name, make(), type) } }, name));
  return h(
    "details",
    { class: "menu" },
    h("summary", {}, "Download"),
    h(
      "ul",
      {},
      item("zport-report.json", () => asJson(data), "application/json"),
      Object.entries(tables).map(([name, rows]) => item(`zport-${name}.csv`, () => asCsv(rows), "text/csv")),
    ),
  );
}

/** @param {Data} data */
export function asJson(data) {
  const { byId: _, ...rest } = data;
  return JSON.stringify(rest, (name, value) => (INNER.has(name) && isInner(name, value) ? undefined : value), 1);
}

/** A run has an id of its own, and that is a number. @param {string} name @param {unknown} value */
function isInner(name, value) {
  return name === "bench" || typeof value === "string";
}

/**
 * Rows as CSV (RFC 4180) with a byte order mark, which spreadsheets need to read UTF-8.
 *
 * @param {Row[]} rows
 */
export function asCsv(rows) {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((name) => name !== "text" && name !== "bench" && !(name === "id" && typeof rows[0]?.id === "string"));
  const lines = [names, ...rows.map((row) => names.map((name) => row[name]))];
  return `\ufeff${lines.map((line) => line.map(field).join(",")).join("\r\n")}\r\n`;
}

/** @param {unknown} value */
function field(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const text = typeof value === "string" ? value : JSON.stringify(value);
  // A spreadsheet would run a text that looks like a formula.
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** @param {Row} one a package with its suite's counts as columns */
function flat(one) {
  const { suite, build_seconds: built, patches, ...rest } = one;
  /** @type {Row} */
  const row = { ...rest, patches: patches.length, differences: suite ? suite.differences.length : null };
  for (const [target, counts] of Object.entries(suite?.targets ?? {})) {
    for (const name of ["passed", "failed", "error", "skipped", "seconds"]) row[`${target}_${name}`] = counts[name] ?? null;
  }
  for (const [target, seconds] of Object.entries(built)) row[`${target}_build_seconds`] = seconds;
  return row;
}

/** @param {string} name @param {string} text @param {string} type */
function save(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
