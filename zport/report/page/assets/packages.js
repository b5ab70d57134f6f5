/** Package status: every recipe, and upstream's own tests on both machines. */

import { closer, facts, part } from "page/details.js";
import { h, table } from "page/dom.js";
import { counted, seconds } from "page/format.js";
import { write } from "page/state.js";

/** @typedef {import("page/data.js").Data} Data */
/** @typedef {import("page/data.js").Package} Package */
/** @typedef {import("page/data.js").Row} Row */

/** @param {Package} one */
export function packageId(one) {
  return `${one.package}==${one.version}`;
}

/** What is known of a package, in a word that has a colour too. @param {Package} one */
function status(one) {
  if (one.not_run) return "not_run";
  if (!one.suite) return "built";
  const unexplained = one.suite.differences.some((/** @type {Row} */ difference) => !difference.cause);
  if (unexplained) return "differs";
  return one.suite.differences.length ? "explained" : "pass";
}

const STATUS_WORDS = {
  not_run: "not built yet",
  built: "no suite recorded",
  differs: "differs, cause unknown",
  explained: "differs, all explained",
  pass: "same on both",
};

/** @param {Element} root @param {Data} data */
export function mountPackages(root, data) {
  const targets = [...new Set(data.packages.flatMap((one) => Object.keys(one.suite?.targets ?? {})))].sort().reverse();
  const tested = data.packages.filter((one) => one.suite).length;
  const heads = ["package", "version", "status", "patches", ...targets.map((t) => `upstream's tests on ${t}`), "differences", "build"];
  const rows = data.packages.map((one) => [
    h("button", { type: "button", class: "link", on: { click: () => write({ package: packageId(one) }, true) } }, one.package),
    one.version,
    mark(one),
    one.patches.length || "–",
    ...targets.map((target) => outcome(one.suite?.targets[target])),
    one.suite ? kinds(one.suite.differences) : "–",
    Object.entries(one.build_seconds).map(([target, took]) => `${target} ${seconds(/** @type {any} */ (took))}`).join(", ") || "–",
  ]);
  root.append(
    h("h2", {}, "Packages"),
    h("p", { class: "count" }, `${counted(data.packages.length, "recipe")}, ${counted(tested, "suite")} recorded. A name opens what differs.`),
    table("Packages", heads, rows, new Set([3])),
  );
  return () => {};
}

/** @param {Package} one */
function mark(one) {
  const word = status(one);
  return h("span", { class: "badge verdict", "data-verdict": word }, STATUS_WORDS[word]);
}

/** @param {Row | undefined} counts */
function outcome(counts) {
  if (!counts) return "–";
  const failed = (counts.failed ?? 0) + (counts.error ?? 0);
  const rest = [failed && `${failed.toLocaleString("en")} failed`, counts.skipped && `${counts.skipped} skipped`];
  return [`${(counts.passed ?? 0).toLocaleString("en")} passed`, ...rest.filter(Boolean)].join(", ");
}

/** @param {Row[]} differences */
function kinds(differences) {
  /** @type {Map<string, number>} */
  const found = new Map();
  for (const { kind } of differences) found.set(kind ?? "unexplained", (found.get(kind ?? "unexplained") ?? 0) + 1);
  return [...found].map(([kind, count]) => `${count} ${kind}`).join(", ") || "none";
}

/** @param {Package} one @returns {Node[]} */
export function packageDetails(one) {
  const suite = one.suite;
  const nodes = [
    h("header", {}, h("div", {}, h("h2", { id: "details-title" }, `${one.package} ${one.version}`), h("p", {}, mark(one))), h("nav", { "aria-label": "Package" }, closer())),
    h("p", { class: "reason" }, one.summary),
    part(
      "Recipe",
      facts([
        ["file", one.recipe],
        ["not built because", one.not_run],
        ["built", one.mode],
        ["instead of a published wheel", one.replaces_published ? "yes" : null],
        ["patches", one.patches],
        ["build took", Object.entries(one.build_seconds).map(([t, took]) => `${t} ${seconds(/** @type {any} */ (took))}`)],
      ]),
    ),
  ];
  if (suite) nodes.push(part("Upstream's own tests", suiteFacts(suite), differences(suite.differences)));
  return nodes;
}

/** @param {Row} suite */
function suiteFacts(suite) {
  return facts(Object.entries(suite.targets).map(([target, counts]) => [target, `${outcome(counts)}, ${seconds(counts.seconds)}, ${counts.wheel}`]));
}

/** The outcomes that differ, those of one cause together. @param {Row[]} differences */
function differences(differences) {
  if (!differences.length) return h("p", {}, "No outcome differs.");
  const causes = Map.groupBy(differences, (one) => one.cause ?? "");
  return h(
    "div",
    {},
    [...causes].map(([cause, tests]) =>
      h(
        "div",
        { class: "cause" },
        h("p", {}, h("strong", {}, tests[0]?.kind ?? "unexplained"), cause && `: ${cause}`),
        h("ul", {}, tests.map((one) => h("li", {}, h("code", {}, one.test), ` ${one.outcome} on ${one.target}, ${one.reference} on the reference`, one.message && h("small", {}, ` – ${one.message}`)))),
      ),
    ),
  );
}
