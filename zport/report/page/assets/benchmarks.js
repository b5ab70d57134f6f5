/** Benchmarks: a plot with any key on its axes, and the same as a table. */

import { flatten } from "page/axes.js";
import { distinct } from "page/data.js";
import { choice, h, inPieces, option } from "page/dom.js";
import { anything, counted, number } from "page/format.js";
import { fronts } from "page/pareto.js";
import { plot } from "page/plot.js";
import { CLOSED, read, write } from "page/state.js";

/** @typedef {import("page/axes.js").Key} Key */
/** @typedef {import("page/axes.js").Point} Point */
/** @typedef {import("page/data.js").Data} Data */
/** @typedef {import("page/state.js").State} State */

const FIRST_Y = ["throughput", "metric_ms", "latency_90.00", "latency_mean"];
const DRAWN = 5000;

/** @param {Element} root @param {Data} data @returns {(state: State) => void} */
export function mountBenchmarks(root, data) {
  const { points, keys } = flatten(data);
  root.append(h("h2", {}, "Benchmarks"));
  if (!points.length) {
    root.append(h("p", { class: "empty" }, "There are no benchmarks yet."));
    return () => {};
  }
  const fields = h("div", { class: "fields" });
  const place = h("div", { class: "drawing" });
  root.append(fields, place);
  fields.append(...choosers(points, keys));
  const update = (/** @type {State} */ state) => {
    const view = chosen(points, keys, state);
    for (const select of fields.querySelectorAll("select")) {
      select.value = { x: view.x.name, y: view.y.name, colour: view.colour.name, kind: view.kind }[select.name] ?? state[select.name] ?? "";
    }
    const box = fields.querySelector("input");
    if (box) {
      box.disabled = !(view.x.better && view.y.better);
      box.checked = state.front !== "" && !box.disabled;
    }
    draw(place, view);
  };
  let waiting = 0;
  addEventListener("resize", () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => root.isConnected && update(read()));
  });
  let last = "";
  return (state) => {
    const now = JSON.stringify({ ...state, ...CLOSED });
    if (now !== last) update(state);
    last = now;
  };
}

/** @param {Point[]} points @param {Key[]} keys */
function choosers(points, keys) {
  const benches = points.map((point) => point.bench);
  const groups = [...new Set(keys.map((key) => key.group))];
  const every = () =>
    groups.map((group) => h("optgroup", { label: group }, keys.filter((key) => key.group === group).map((key) => option(key.name, key.label))));
  const set = (/** @type {string} */ name) => (/** @type {string} */ value) => write({ [name]: value });
  const kinds = [...new Set(benches.map(kindOf))].sort().reverse();
  const front = h("input", { type: "checkbox", on: { change: () => write({ front: front.checked ? "1" : "" }) } });
  return [
    choice("Measured", "kind", kinds.map((kind) => option(kind, kind === "real" ? "on real machines" : "under emulation")), set("kind")),
    choice("Scenario", "scenario", [option("", "all"), distinct(benches, "scenario").map((value) => option(value))], set("scenario")),
    choice("Model", "model", [option("", "all"), distinct(benches, "model").map((value) => option(value))], set("model")),
    choice("Across", "x", every(), set("x")),
    choice("Up", "y", every(), set("y")),
    choice("Colour", "colour", every(), set("colour")),
    h("label", { class: "field check" }, front, h("span", {}, "Pareto front, where both axes have a better side")),
  ];
}

/** @param {import("page/data.js").Row} bench */
function kindOf(bench) {
  return bench.emulated ? "emulated" : "real";
}

/**
 * What is drawn. Emulated results never stand beside real ones: one kind is chosen.
 *
 * @param {Point[]} points
 * @param {Key[]} keys
 * @param {State} state
 */
export function chosen(points, keys, state) {
  const kinds = new Set(points.map((point) => String(kindOf(point.bench))));
  const kind = kinds.has(state.kind ?? "") ? /** @type {string} */ (state.kind) : kinds.has("real") ? "real" : "emulated";
  const own = points.filter(
    ({ bench }) => kindOf(bench) === kind && (!state.model || bench.model === state.model) && (!state.scenario || bench.scenario === state.scenario),
  );
  const named = (/** @type {string | undefined} */ name) => keys.find((key) => key.name === name);
  const having = (/** @type {string} */ name) => own.filter((point) => name in point.values).length;
  const first = FIRST_Y.map(named).reduce((best, key) => (key && having(key.name) > having(best?.name ?? "") ? key : best), undefined);
  const fallback = /** @type {Key} */ (keys[0]);
  const x = named(state.x) ?? named("model") ?? fallback;
  const y = named(state.y) ?? first ?? fallback;
  const colour = named(state.colour) ?? named("target") ?? fallback;
  const shown = own.filter(({ values }) => x.name in values && y.name in values);
  return { kind, x, y, colour, shown, left: own.length - shown.length, fronts: state.front === "" ? [] : fronts(shown, x, y) };
}

/** @param {Element} place @param {ReturnType<typeof chosen>} view */
function draw(place, view) {
  const { x, y, colour, shown } = view;
  const onFront = new Set(view.fronts.flat());
  const value = (/** @type {Point} */ point, /** @type {Key} */ key) => point.values[key.name];
  const dots = shown.slice(0, DRAWN).map((point) => ({
    x: value(point, x),
    y: value(point, y),
    colour: anything(value(point, colour)),
    hollow: point.bench.valid !== true,
    label: `${point.label}: ${y.label} ${anything(value(point, y))}, ${x.label} ${anything(value(point, x))}${point.bench.valid === true ? "" : ", INVALID"}${onFront.has(point) ? ", on the front" : ""}`,
    open: () => write(point.opens, true),
  }));
  const lines = view.fronts.filter((front) => front.length > 1).map((front) => front.map((p) => /** @type {[number, number]} */ ([value(p, x), value(p, y)])));
  place.replaceChildren(...notes(view));
  if (!dots.length) return;
  const width = Math.max(300, place.clientWidth);
  place.append(plot(dots, { label: x.label, log: wide(dots.map((dot) => dot.x)) }, { label: y.label, log: wide(dots.map((dot) => dot.y)) }, lines, width));
  place.append(...listed(view, onFront));
}

/** Whether the values span so much that only their logarithms can be told apart. @param {any[]} values */
function wide(values) {
  if (!values.every((value) => typeof value === "number" && value > 0)) return false;
  const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  return high / low > 50;
}

/** @param {ReturnType<typeof chosen>} view @returns {Element[]} */
function notes(view) {
  const notes = [`${counted(view.shown.length, "result")}${view.left ? `, ${view.left} more lack one of these keys` : ""}. Hollow points are INVALID.`];
  if (view.kind === "emulated") notes.push("Emulated: these times say nothing about a real machine, and are never shown beside a real one's.");
  if (view.shown.length > DRAWN) notes.push(`The first ${DRAWN} are drawn; all are in the table.`);
  return notes.map((note) => h("p", { class: "count" }, note));
}

/** @param {ReturnType<typeof chosen>} view @param {Set<Point>} onFront */
function listed(view, onFront) {
  const keys = [view.x, view.y, view.colour].filter((key, i, all) => all.indexOf(key) === i && key.name !== "model");
  const body = h("tbody", {});
  const after = h("div", { class: "after" });
  const heads = ["model", "image", "target", "scenario", "valid", ...(onFront.size ? ["front"] : []), ...keys.map((key) => key.label)];
  const line = (/** @type {Point} */ point) =>
    h(
      "tr",
      {},
      [
        h("button", { type: "button", class: "link", on: { click: () => write(point.opens, true) } }, point.bench.model),
        point.bench.agent,
        `${point.bench.target} ${point.bench.runner}`,
        point.bench.scenario ?? "–",
        point.bench.valid ? "VALID" : "INVALID",
        ...(onFront.size ? [onFront.has(point) ? "on it" : "–"] : []),
        ...keys.map((key) => (typeof point.values[key.name] === "number" ? number(point.values[key.name]) : anything(point.values[key.name]))),
      ].map((content) => h("td", {}, content)),
    );
  const box = h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Results" },
    h("table", { class: "plain" }, h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))), body),
  );
  inPieces(body, after, view.shown, line, 100);
  return [box, after];
}
