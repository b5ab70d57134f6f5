/** What a benchmark can be drawn by: every key of its result, its settings and its circumstances. */

import { idOf } from "page/data.js";
import { words } from "page/format.js";

/** @typedef {import("page/data.js").Data} Data */
/** @typedef {import("page/data.js").Row} Row */
/**
 * A key: `better` says which way is better, where one is.
 * @typedef {{ name: string, label: string, group: string, better: "lower" | "higher" | null }} Key
 */
/** `opens` is the state that shows the point's details. @typedef {{ bench: Row, values: Row, label: string, opens: Record<string, string> }} Point */

const CIRCUMSTANCES = ["model", "agent", "target", "runner", "scenario", "mode", "threads", "batch", "cpu_level", "basis", "conforming", "run", "weights", "framework"];

/**
 * Every benchmark with all its values by key, and the keys that at least one of them has.
 *
 * @param {Data} data
 * @returns {{ points: Point[], keys: Key[] }}
 */
export function flatten(data) {
  /** @type {Map<string, Key>} */
  const keys = new Map();
  const images = new Map(data.images.map((image) => [`${image.agent} ${image.target}`, image]));
  const points = data.benches.map((bench, index) => {
    /** @type {Row} */
    const values = {};
    const put = (/** @type {string} */ group, /** @type {string} */ name, /** @type {any} */ value, /** @type {Key["better"]} */ better = null, label = words(name)) => {
      if (value === null || value === undefined || typeof value === "object") return;
      values[name] = typeof value === "boolean" ? String(value) : value;
      if (!keys.has(name)) keys.set(name, { name, label, group, better });
    };
    results(bench, put);
    const cell = data.byId.get(idOf(bench));
    put("Results", "largest_error", cell?.largest_absolute, "lower", "largest error");
    put("Results", "image_mb", size(images.get(`${bench.agent} ${bench.target}`)), "lower", "image size, MB");
    for (const name of CIRCUMSTANCES) put("Circumstances", name, bench[name] ?? cell?.[name]);
    for (const [name, value] of Object.entries({ ...bench.requested, ...bench.settings })) put("Settings", name, value);
    nested("", bench.info ?? {}, (name, value) => put("Agent", `info.${name}`, value, null, words(name)));
    // A benchmark of its own has no cell, or its cell has another one.
    /** @type {Record<string, string>} */
    const opens = cell?.bench === bench ? { cell: cell.id } : { bench: String(index) };
    return { bench, values, opens, label: [bench.model, bench.agent, bench.target, bench.runner].join(" · ") };
  });
  return { points, keys: [...keys.values()] };
}

/** @param {Row | undefined} image */
function size(image) {
  return image?.bytes ? image.bytes / 1e6 : null;
}

/** @param {Row} bench @param {(group: string, name: string, value: any, better?: Key["better"], label?: string) => void} put */
function results(bench, put) {
  for (const [name, value] of Object.entries(bench.latency_ns ?? {})) {
    if (typeof value === "number") put("Results", `latency_${name}`, value / 1e6, "lower", `latency ${/^\d/.test(name) ? `p${Number(name)}` : name}, ms`);
  }
  const { metric } = bench;
  if (metric?.unit === "ns") put("Results", "metric_ms", metric.value === null ? null : metric.value / 1e6, "lower", "scenario's latency, ms");
  else if (metric) put("Results", "throughput", metric.value, "higher", `throughput, ${metric.unit}`);
  put("Results", "query_count", bench.query_count);
}

/** @param {string} before @param {Row} record @param {(name: string, value: any) => void} put */
function nested(before, record, put) {
  for (const [name, value] of Object.entries(record)) {
    if (value && typeof value === "object" && !Array.isArray(value)) nested(`${before}${name}.`, value, put);
    else if (!Array.isArray(value)) put(before + name, value);
  }
}
