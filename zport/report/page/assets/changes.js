/** The comparison: what is worse, better or different than before. */

import { badge } from "page/details.js";
import { h, inPieces } from "page/dom.js";
import { counted, error } from "page/format.js";
import { idOf } from "page/data.js";
import { write } from "page/state.js";

/** @typedef {import("page/data.js").Data} Data */
/** @typedef {import("page/data.js").Row} Row */

/** @type {[string, string, string][]} */
const GROUPS = [
  ["worse", "Worse", "passed before and does not any more"],
  ["better", "Better", "did not pass before and does now"],
  ["other", "Fails in another way", "did not pass before either, with another verdict"],
  ["gone", "Gone", "has a result before and none now"],
  ["new", "New", "has no result before"],
  ["numbers", "Other numbers", "same verdict, another largest error"],
];

/** @param {Element} root @param {Data} data */
export function mountChanges(root, data) {
  const rows = [...data.cells, ...data.gone.map((row) => ({ ...row, change: "gone", before: row }))];
  const against = data.against === null ? "each cell's own result before" : `run ${data.against}`;
  const same = rows.filter((row) => row.change === "same").length;
  root.append(
    h("h2", {}, `Compared with ${against}`),
    h("p", { class: "count" }, `${counted(same, "cell")} of ${rows.length.toLocaleString("en")} without any change.`),
  );
  for (const [change, title, meaning] of GROUPS) {
    const group = rows.filter((row) => row.change === change);
    if (group.length) root.append(section(title, meaning, group));
  }
  return () => {};
}

/** @param {string} title @param {string} meaning @param {Row[]} rows */
function section(title, meaning, rows) {
  const body = h("tbody", {});
  const after = h("div", { class: "after" });
  const heads = ["model", "image", "target", "before", "now", "error before", "error now"];
  const element = h(
    "section",
    {},
    h("h3", {}, `${title} `, h("small", {}, `${counted(rows.length, "cell")}: ${meaning}`)),
    h(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": title },
      h("table", { class: "plain" }, h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))), body),
    ),
    after,
  );
  inPieces(body, after, rows, line, 100);
  return element;
}

/** @param {Row} row */
function line(row) {
  const gone = row.change === "gone";
  const open = () => write({ cell: idOf(row) }, true);
  const cells = [
    gone ? row.model : h("button", { type: "button", class: "link", on: { click: open } }, row.model),
    row.agent,
    `${row.target} ${row.runner}`,
    row.before ? badge(row.before.verdict) : "–",
    gone ? "–" : badge(row.verdict),
    error(row.before?.largest_absolute),
    gone ? "–" : error(row.largest_absolute),
  ];
  return h("tr", {}, cells.map((cell) => h("td", {}, cell)));
}
