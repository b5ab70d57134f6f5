/** A scatter plot in SVG: any value on either axis, every point reachable by keyboard. */

import { h, svg } from "page/dom.js";
import { number } from "page/format.js";

/**
 * @typedef {{ x: number | string, y: number | string, colour: string, label: string, hollow: boolean, open: () => void }} Dot
 * @typedef {{ label: string, log: boolean }} Axis
 * @typedef {{ place: (value: number | string) => number, ticks: { at: number, text: string }[], bands: boolean }} Scale
 */

const HEIGHT = 420;
const MARGIN = { top: 12, right: 16, bottom: 44, left: 64 };
const COLOURS = 8;
const LETTER = 6.2;
/** Shapes tell the colours apart where colours do not; each is drawn around 0,0. */
const SHAPES = [
  "M-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0Z",
  "M-4.5,-4.5H4.5V4.5H-4.5Z",
  "M0,-5.5L5.5,4.5H-5.5Z",
  "M0,-6L6,0L0,6L-6,0Z",
  "M0,5.5L5.5,-4.5H-5.5Z",
  "M-2,-6H2V-2H6V2H2V6H-2V2H-6V-2H-2Z",
];

/**
 * @param {Dot[]} dots
 * @param {Axis} xAxis
 * @param {Axis} yAxis
 * @param {[number | string, number | string][][]} lines drawn through those places, as steps
 * @param {number} width pixels
 * @returns {HTMLElement}
 */
export function plot(dots, xAxis, yAxis, lines, width) {
  const longest = Math.max(...dots.map((dot) => String(dot.x).length), 0);
  const steep = typeof dots[0]?.x === "string" || dots.some((dot) => typeof dot.x === "string");
  const bottom = MARGIN.bottom + (steep ? Math.min(longest, 18) * LETTER * 0.7 : 0);
  const texts = dots.some((dot) => typeof dot.y === "string") ? dots.map((dot) => String(dot.y).length) : [];
  const left = Math.min(MARGIN.left + Math.max(0, Math.max(...texts, 0) - 6) * LETTER, width / 3);
  const x = scale(dots.map((dot) => dot.x), left, width - MARGIN.right, xAxis.log, Math.max(3, Math.floor(width / 110)));
  const y = scale(dots.map((dot) => dot.y), HEIGHT - bottom, MARGIN.top, yAxis.log, 6);
  const groups = [...new Set(dots.map((dot) => dot.colour))].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const tip = h("p", { class: "tip", "aria-hidden": "true" });
  const drawing = svg(
    "svg",
    { class: "plot", width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "group", "aria-label": `${yAxis.label} by ${xAxis.label}` },
    axes(x, y, xAxis, yAxis, { left, right: width - MARGIN.right, top: MARGIN.top, bottom: HEIGHT - bottom }, steep),
    lines.map((line) => svg("path", { class: "front", d: steps(line.map(([a, b]) => [x.place(a), y.place(b)])) })),
  );
  for (const dot of dots) {
    const group = groups.indexOf(dot.colour);
    drawing.append(mark(dot, x.place(dot.x), y.place(dot.y), group, tip));
  }
  drawing.querySelector(".dot")?.setAttribute("tabindex", "0");
  drawing.addEventListener("keydown", (event) => step(drawing, event));
  return h("figure", {}, drawing, tip, legend(groups));
}

/** @param {Dot} dot @param {number} x @param {number} y @param {number} group @param {HTMLElement} tip */
function mark(dot, x, y, group, tip) {
  const show = () => {
    tip.textContent = dot.label;
    tip.style.left = `${x}px`;
    tip.style.top = `${y}px`;
    tip.classList.add("on");
  };
  const hide = () => tip.classList.remove("on");
  return svg("path", {
    class: dot.hollow ? "dot hollow" : "dot",
    d: SHAPES[group % SHAPES.length],
    "data-colour": group % COLOURS,
    transform: `translate(${x.toFixed(1)},${y.toFixed(1)})`,
    role: "button",
    tabindex: -1,
    "aria-label": dot.label,
    on: {
      mouseenter: show,
      mouseleave: hide,
      focus: show,
      blur: hide,
      click: dot.open,
      keydown: (/** @type {KeyboardEvent} */ event) => (event.key === "Enter" || event.key === " ") && (event.preventDefault(), dot.open()),
    },
  });
}

/** Arrows go from point to point. @param {SVGElement} drawing @param {KeyboardEvent} event */
function step(drawing, event) {
  const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!by) return;
  const dots = /** @type {SVGElement[]} */ ([...drawing.querySelectorAll(".dot")]);
  const at = dots.indexOf(/** @type {SVGElement} */ (document.activeElement));
  const next = dots[at + by];
  if (at < 0 || !next) return;
  event.preventDefault();
  dots[at]?.setAttribute("tabindex", "-1");
  next.setAttribute("tabindex", "0");
  next.focus();
}

/** @param {string[]} groups */
function legend(groups) {
  if (groups.length < 2) return null;
  return h(
    "ul",
    { class: "legend" },
    groups.slice(0, 40).map((group, i) =>
      h("li", {}, svg("svg", { width: 14, height: 14, viewBox: "-7 -7 14 14", "aria-hidden": "true" }, svg("path", { class: "dot", d: SHAPES[i % SHAPES.length], "data-colour": i % COLOURS })), group),
    ),
    groups.length > 40 && h("li", {}, `and ${groups.length - 40} more`),
  );
}

/**
 * @param {Scale} x @param {Scale} y @param {Axis} xAxis @param {Axis} yAxis
 * @param {{ left: number, right: number, top: number, bottom: number }} box @param {boolean} steep
 */
function axes(x, y, xAxis, yAxis, box, steep) {
  const across = x.ticks.map(({ at, text }) =>
    svg(
      "g",
      { transform: `translate(${at},${box.bottom})` },
      svg("line", { y2: box.top - box.bottom, class: "line" }),
      steep
        ? svg("text", { transform: "translate(4,12) rotate(-40)", "text-anchor": "end" }, shortened(text))
        : svg("text", { y: 16, "text-anchor": "middle" }, text),
    ),
  );
  const up = y.ticks.map(({ at, text }) =>
    svg(
      "g",
      { transform: `translate(${box.left},${at})` },
      svg("line", { x2: box.right - box.left, class: "line" }),
      svg("text", { x: -8, y: 4, "text-anchor": "end" }, shortened(text)),
    ),
  );
  return svg(
    "g",
    { class: "axes", "aria-hidden": "true" },
    across,
    up,
    svg("text", { class: "title", x: (box.left + box.right) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, titled(xAxis)),
    svg("text", { class: "title", transform: `translate(12,${(box.top + box.bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, titled(yAxis)),
  );
}

/** @param {Axis} axis */
function titled(axis) {
  return axis.log ? `${axis.label} (logarithmic)` : axis.label;
}

/** @param {string} text */
function shortened(text) {
  return text.length > 18 ? `${text.slice(0, 17)}…` : text;
}

/** @param {[number, number][]} places */
function steps(places) {
  return places.map(([x, y], i) => (i ? `H${x.toFixed(1)}V${y.toFixed(1)}` : `M${x.toFixed(1)},${y.toFixed(1)}`)).join("");
}

/**
 * Values to pixels: numbers on a line or its logarithm, words side by side.
 *
 * @param {(number | string)[]} values
 * @param {number} from
 * @param {number} to
 * @param {boolean} log
 * @param {number} count ticks, about
 * @returns {Scale}
 */
export function scale(values, from, to, log, count) {
  if (values.some((value) => typeof value === "string")) return bands(values.map(String), from, to);
  const numbers = /** @type {number[]} */ (values);
  const low = numbers.reduce((a, b) => Math.min(a, b), Infinity);
  const high = numbers.reduce((a, b) => Math.max(a, b), -Infinity);
  const bend = log && low > 0 ? Math.log10 : (/** @type {number} */ value) => value;
  const pad = (bend(high) - bend(low)) * 0.04 || Math.abs(bend(high)) * 0.1 || 1;
  const [start, end] = [bend(low) - pad, bend(high) + pad];
  const place = (/** @type {number | string} */ value) => from + ((bend(Number(value)) - start) / (end - start)) * (to - from);
  const ticks = bend === Math.log10 ? logTicks(start, end) : linearTicks(start, end, count);
  return { place, ticks: ticks.map((value) => ({ at: place(value), text: number(value) })), bands: false };
}

/** @param {string[]} values @param {number} from @param {number} to @returns {Scale} */
function bands(values, from, to) {
  const names = [...new Set(values)].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const index = new Map(names.map((name, i) => [name, i]));
  const width = (to - from) / names.length;
  const place = (/** @type {number | string} */ value) => from + width * ((index.get(String(value)) ?? 0) + 0.5);
  const every = Math.ceil(18 / Math.abs(width));
  return { place, ticks: names.filter((_, i) => i % every === 0).map((name) => ({ at: place(name), text: name })), bands: true };
}

/** @param {number} start @param {number} end @param {number} count */
function linearTicks(start, end, count) {
  const rough = (end - start) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * (rough / power > 5 ? 10 : rough / power > 2 ? 5 : rough / power > 1 ? 2 : 1);
  const ticks = [];
  for (let i = Math.ceil(start / step); i * step <= end; i++) ticks.push(Number((i * step).toPrecision(12)));
  return ticks;
}

/** @param {number} start @param {number} end logarithms */
function logTicks(start, end) {
  const ticks = [];
  const parts = end - start > 4 ? [1] : end - start > 1.5 ? [1, 3] : [1, 2, 5];
  const skip = Math.max(1, Math.ceil((end - start) / 10));
  for (let power = Math.floor(start); power <= end; power += skip) {
    for (const part of parts) {
      const value = part * 10 ** power;
      if (Math.log10(value) >= start && Math.log10(value) <= end) ticks.push(Number(value.toPrecision(3)));
    }
  }
  return ticks;
}
