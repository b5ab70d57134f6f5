/** The details of one cell: every number that is known of it, its log's end, and its past. */

import { idOf } from "page/data.js";
import { append, h, table } from "page/dom.js";
import { anything, commit, counted, error, latency, number, seconds, time, words } from "page/format.js";
import { shown } from "page/matrix.js";
import { address, CLOSED, write } from "page/state.js";

/** @typedef {import("page/data.js").Cell} Cell */
/** @typedef {import("page/data.js").Data} Data */
/** @typedef {import("page/data.js").Row} Row */

/** Keys that have a place of their own; every other one is listed under its name. */
const PLACED = new Set(
  `id text bench model agent target runner emulated verdict reason largest_absolute largest_relative
  compared_with tolerance outputs differing change before history log log_tail run written metrics
  model_version framework weights byte_order key image_key seconds accuracy`.split(/\s+/),
);

/** @param {Cell} cell @param {Data} data @returns {Node[]} */
export function cellDetails(cell, data) {
  return /** @type {Node[]} */ ([
    head(cell),
    cell.reason && h("p", { class: "reason" }, cell.reason),
    differing(cell.differing),
    part("Numbers", facts(numbers(cell)), outputs(cell.outputs ?? [])),
    cell.log_tail !== null && cell.log_tail !== undefined && part("End of the log", h("pre", { tabindex: 0 }, cell.log_tail), h("p", { class: "quiet" }, cell.log)),
    cell.bench && bench(cell.bench),
    past(cell, data),
    part("Circumstances", facts(circumstances(cell, data))),
  ].filter(Boolean));
}

/** @param {Cell} cell */
function head(cell) {
  const at = shown.indexOf(cell);
  const step = (/** @type {string} */ label, /** @type {Cell | undefined} */ other) =>
    h("button", { type: "button", disabled: !other, on: { click: () => other && write({ cell: other.id }) } }, label);
  return h(
    "header",
    {},
    h(
      "div",
      {},
      h("h2", { id: "details-title" }, cell.model),
      h("p", {}, badge(cell.verdict), ` ${cell.agent} on ${cell.target}, ${cell.runner}`),
    ),
    h(
      "nav",
      { "aria-label": "Cells" },
      step("← before", at > 0 ? shown[at - 1] : undefined),
      step("next →", at >= 0 ? shown[at + 1] : undefined),
      closer(),
    ),
  );
}

export function closer() {
  return h("button", { type: "button", class: "close", on: { click: () => write(CLOSED, true) } }, "Close");
}

/** @param {string} verdict */
export function badge(verdict) {
  return h("span", { class: "badge verdict", "data-verdict": verdict }, words(verdict));
}

/** @param {string} title @param {...(Node | string | null | false)} children */
export function part(title, ...children) {
  return h("section", {}, h("h3", {}, title), children);
}

/** @param {[string, unknown][]} pairs */
export function facts(pairs) {
  const list = h("dl", {});
  for (const [name, value] of pairs) {
    if (value !== null && value !== undefined && value !== "") {
      append(list, [h("dt", {}, name), h("dd", {}, value instanceof Node ? value : anything(value))]);
    }
  }
  return list;
}

/** @param {Cell} cell @returns {[string, unknown][]} */
function numbers(cell) {
  const tolerance = cell.tolerance ?? {};
  const allowed = Object.entries(tolerance).filter(([name, value]) => name !== "reason" && value !== null);
  return [
    ["largest error", cell.largest_absolute === null ? null : `${error(cell.largest_absolute)} absolute, ${error(cell.largest_relative)} relative`],
    ["tolerance", allowed.map(([name, value]) => `${anything(value)} ${words(name)}`).join(", ")],
    ["tolerance because", tolerance.reason],
    ["compared with", cell.compared_with],
    ...Object.entries({ ...cell.metrics, ...(cell.accuracy ?? {}) }).map(
      ([name, value]) => /** @type {[string, unknown]} */ ([words(name), value]),
    ),
    ...Object.entries(cell)
      .filter(([name, value]) => !PLACED.has(name) && value !== null)
      .map(([name, value]) => /** @type {[string, unknown]} */ ([words(name), value])),
  ];
}

/** A row for each output, a column for each key that one of them has. @param {Row[]} outputs */
function outputs(outputs) {
  if (!outputs.length) return null;
  const keys = [...new Set(["name", "verdict", ...outputs.flatMap((output) => Object.keys(output))])].filter((key) =>
    outputs.some((output) => !empty(output[key])),
  );
  const show = (/** @type {Row} */ output, /** @type {string} */ key) => {
    if (key === "verdict") return badge(output[key]);
    if (key === "top") return output[key] ? `${output[key].top1} of ${output[key].rows} agree` : "–";
    if (key === "ulp") return output[key] ? `${output[key].largest} (median ${output[key].median})` : "–";
    return empty(output[key]) ? "–" : anything(output[key]);
  };
  const numeric = new Set(keys.flatMap((key, i) => (outputs.some((output) => typeof output[key] === "number") ? [i] : [])));
  return table("Outputs", keys.map(words), outputs.map((output) => keys.map((key) => show(output, key))), numeric);
}

/** @param {unknown} value */
function empty(value) {
  return value === null || value === undefined || (Array.isArray(value) && !value.length);
}

/** The first operator whose output differs. @param {Row | null} found */
function differing(found) {
  if (!found) return null;
  const named = [found.operator, found.node].filter(Boolean).join(" ");
  return part(
    "First operator that differs",
    h("p", {}, h("strong", {}, named || "see below"), found.hint ? ` – ${found.hint}` : ""),
    facts(
      Object.entries(found)
        .filter(([name]) => !["node", "operator", "hint"].includes(name))
        .map(([name, value]) => [words(name), value]),
    ),
  );
}

/** @param {Row} bench */
function bench(bench) {
  const measured = Object.entries(bench.latency_ns ?? {}).map(
    ([name, value]) => /** @type {[string, unknown]} */ ([/^\d/.test(name) ? `p${Number(name)}` : name, latency(value)]),
  );
  const metric = bench.metric;
  const settings = { ...bench.requested, ...bench.settings };
  return part(
    bench.emulated ? "LoadGen, emulated: no measure of a real machine" : "LoadGen",
    facts([
      ["scenario", bench.scenario],
      ["result", bench.valid ? "VALID" : "INVALID"],
      ["because", bench.invalid_reasons?.length ? bench.invalid_reasons : null],
      [metric ? words(metric.name) : "metric", metric && (metric.unit === "ns" ? latency(metric.value) : `${number(metric.value)} ${metric.unit}`)],
      ["queries", bench.query_count],
      ["threads", bench.threads],
      ["batch", bench.batch],
      ["CPU level", bench.cpu_level],
      ["not by MLPerf's rules", offRules(bench)],
      ...measured,
    ]),
    h("details", {}, h("summary", {}, `All ${counted(Object.keys(settings).length, "setting")}`), facts(Object.entries(settings))),
  );
}

/** Why a benchmark is none by MLPerf's rules. @param {Row} bench @returns {string[] | null} */
function offRules(bench) {
  const settings = (bench.departures ?? []).map((/** @type {Row} */ one) => `${one.setting} is ${one.value} (${one.from}), MLPerf's is ${one.mlperf}`);
  const reasons = bench.reasons ?? settings;
  return reasons.length ? reasons : null;
}

/** The details of a benchmark that is no cell's. @param {Row} one @param {Data} data @returns {Node[]} */
export function benchDetails(one, data) {
  const cell = data.byId.get(idOf(one));
  const where = `${one.agent} on ${one.target}, ${one.runner}`;
  const run = data.runs.find((each) => each.id === one.run);
  return [
    h("header", {}, h("div", {}, h("h2", { id: "details-title" }, one.model), h("p", {}, where)), h("nav", { "aria-label": "Benchmark" }, closer())),
    bench(one),
    part(
      "Circumstances",
      facts([
        ["run", `${one.run}, ${time(one.written)}`],
        ["host", run?.host],
        ["engine", run?.engine],
        ["zport", run?.zport],
        ["agent", one.info],
        ["cell", cell && h("a", { href: address({ ...CLOSED, cell: cell.id }) }, "its numbers")],
      ]),
    ),
  ];
}

/** @param {Cell} cell @param {Data} data */
function past(cell, data) {
  const other = data.against === null ? "before" : `in run ${data.against}`;
  const line = cell.before
    ? h("p", {}, `${other}: `, badge(cell.before.verdict), ` ${error(cell.before.largest_absolute)}`, cell.before.reason ? ` – ${cell.before.reason}` : "")
    : h("p", {}, data.against === null ? "This is its first result." : `Run ${data.against} does not have it.`);
  const runs = cell.history.map(([run, verdict, size]) => [`run ${run}`, badge(verdict), error(size)]);
  return part("Results before", line, cell.history.length > 1 && table("Results, the newest first", ["run", "verdict", "largest error"], runs, new Set([2])));
}

/** @param {Cell} cell @param {Data} data @returns {[string, unknown][]} */
function circumstances(cell, data) {
  const run = data.runs.find((one) => one.id === cell.run);
  return [
    ["run", `${cell.run}, ${time(cell.written)}`],
    ["model version", cell.model_version],
    ["weights", cell.weights],
    ["framework", cell.framework],
    ["byte order", cell.byte_order],
    ["emulated", cell.emulated],
    ["emulator", cell.emulated ? run?.emulators?.[cell.target] : null],
    ["host", run?.host],
    ["engine", run?.engine],
    ["zport", run?.zport],
    ["commit", run?.commit ? commit(run.commit) : null],
    ["took", cell.seconds === null || cell.seconds === undefined ? null : seconds(cell.seconds)],
    ["cell's key", cell.key],
    ["image's key", cell.image_key],
    ["log", cell.log],
    ["link", h("a", { href: address({}) }, "this cell")],
  ];
}
