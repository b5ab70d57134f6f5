/** Images: how large they are, what is in them, and how long builds took. */

import { h, table } from "page/dom.js";
import { counted, megabytes, seconds } from "page/format.js";

/** @typedef {import("page/data.js").Data} Data */
/** @typedef {import("page/data.js").Row} Row */

/** @param {Element} root @param {Data} data */
export function mountImages(root, data) {
  const largest = Math.max(...data.images.map((image) => image.bytes ?? 0), 1);
  const steps = data.steps.filter((step) => step.seconds).sort((a, b) => b.seconds - a.seconds);
  const longest = Math.max(...steps.map((step) => step.seconds), 1);
  const heads = ["image", "target", "size", "beside the others", "layers", "made of", "build", "key"];
  root.append(
    h("h2", {}, "Images"),
    h("p", { class: "count" }, counted(data.images.length, "image")),
    table(
      "Images",
      heads,
      data.images.map((image) => [
        image.agent,
        image.target,
        `${megabytes(image.bytes)} ${image.compressed ? "compressed" : ""}`,
        bar(image.bytes, largest),
        image.layers?.length || "–",
        providers(image.requirements ?? []),
        seconds(image.build_seconds),
        h("code", {}, image.key),
      ]),
      new Set([2, 4, 6]),
    ),
    h("h2", {}, "Build times"),
    h("p", { class: "count" }, `${counted(steps.length, "step")} built here, the slowest first: ${seconds(steps.reduce((sum, step) => sum + step.seconds, 0))} in all.`),
    table(
      "Build times",
      ["step", "target", "took", "beside the others"],
      steps.map((step) => [step.step, step.target ?? "–", seconds(step.seconds), bar(step.seconds, longest)]),
      new Set([2]),
    ),
  );
  return () => {};
}

/** @param {number | null} value @param {number} largest */
function bar(value, largest) {
  return h("progress", { class: "bar", max: largest, value: value ?? 0, "aria-hidden": "true" });
}

/** @param {Row[]} requirements */
function providers(requirements) {
  /** @type {Map<string, number>} */
  const kinds = new Map();
  for (const { kind } of requirements) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  return [...kinds].map(([kind, count]) => `${count} ${kind}`).join(", ") || "–";
}
