/** The matrix: models down, images and targets across, a verdict in each cell. */

import { rank } from "page/data.js";
import { announce, h, inPieces } from "page/dom.js";
import { counted, error, words } from "page/format.js";
import { controls, meant } from "page/filters.js";
import { CLOSED, write } from "page/state.js";

/** @typedef {import("page/data.js").Cell} Cell */
/** @typedef {import("page/data.js").Data} Data */
/** @typedef {import("page/state.js").State} State */
/** @typedef {{ agent: string, target: string, runner: string, name: string }} Column */
/** @typedef {{ model: string, cells: Map<string, Cell>, hits: Set<Cell>, worst: number, error: number }} Line */

const MARKS = { worse: "▼", better: "▲", other: "◆", new: "+" };

/** The cells that the matrix shows, line by line: the details step through them. @type {Cell[]} */
export const shown = [];

/**
 * @param {Element} root
 * @param {Data} data
 * @returns {(state: State) => void}
 */
export function mountMatrix(root, data) {
  const filters = h("section", { class: "filters", "aria-label": "Filters" });
  const grid = h("div", { class: "grid" });
  root.append(h("h2", { class: "unseen" }, "Matrix"), filters, grid);
  const setFilters = controls(filters, data);
  let last = "";
  return (state) => {
    setFilters(state);
    // What is open in the details changes the state too, and not the matrix.
    const now = JSON.stringify({ ...state, ...CLOSED });
    if (now !== last) draw(grid, data, state);
    last = now;
  };
}

/** @param {Element} grid @param {Data} data @param {State} state */
function draw(grid, data, state) {
  const hits = data.cells.filter(meant(state));
  const lines = linesOf(data.cells, hits, state.sort ?? "name");
  const columns = columnsOf(lines, state);
  shown.length = 0;
  for (const line of lines) {
    for (const column of columns) {
      const cell = line.cells.get(column.name);
      if (cell && line.hits.has(cell)) shown.push(cell);
    }
  }
  const summary = `${counted(hits.length, "cell")} of ${counted(lines.length, "model")}`;
  announce(summary);
  if (!lines.length) {
    const why = data.cells.length ? "No cell fits these filters." : "There are no cells yet: run ./build.py.";
    grid.replaceChildren(h("p", { class: "empty" }, why));
    return;
  }
  const body = h("tbody", { role: "rowgroup" });
  const after = h("div", { class: "after" });
  const table = h(
    "table",
    { class: "matrix", role: "grid", "aria-label": "Verdicts", "aria-rowcount": lines.length + 2 },
    heads(columns),
    body,
  );
  grid.replaceChildren(h("p", { class: "count" }, summary), h("div", { class: "scroll" }, table), after);
  const pieces = inPieces(body, after, lines, (line, index) => row(line, columns, index));
  rove(table, pieces.more);
}

/**
 * A line for each model that has a cell that is meant; its other cells are in it too, dimmed.
 *
 * @param {Cell[]} cells
 * @param {Cell[]} hits
 * @param {string} sort
 * @returns {Line[]}
 */
function linesOf(cells, hits, sort) {
  /** @type {Map<string, Line>} */
  const lines = new Map();
  for (const cell of hits) {
    let line = lines.get(cell.model);
    if (!line) lines.set(cell.model, (line = { model: cell.model, cells: new Map(), hits: new Set(), worst: 99, error: -1 }));
    line.hits.add(cell);
    line.worst = Math.min(line.worst, rank(cell.verdict));
    line.error = Math.max(line.error, errorSize(cell.largest_absolute));
  }
  for (const cell of cells) lines.get(cell.model)?.cells.set(columnName(cell), cell);
  const byName = (/** @type {Line} */ a, /** @type {Line} */ b) => a.model.localeCompare(b.model, "en", { numeric: true });
  const orders = {
    name: byName,
    worst: (/** @type {Line} */ a, /** @type {Line} */ b) => a.worst - b.worst || byName(a, b),
    error: (/** @type {Line} */ a, /** @type {Line} */ b) => b.error - a.error || byName(a, b),
  };
  return [...lines.values()].sort(orders[/** @type {keyof typeof orders} */ (sort)] ?? byName);
}

/** @param {number | string | null} value what is not finite is larger than all that is */
function errorSize(value) {
  return typeof value === "number" ? value : value === null ? -1 : Infinity;
}

/** @param {Line[]} lines @param {State} state @returns {Column[]} */
function columnsOf(lines, state) {
  /** @type {Map<string, Column>} */
  const columns = new Map();
  for (const line of lines) {
    for (const cell of line.cells.values()) {
      const { agent, target, runner } = cell;
      const wanted = [[state.agent, agent], [state.target, target], [state.runner, runner]];
      if (wanted.every(([asked, value]) => !asked || asked === value)) {
        columns.set(columnName(cell), { agent, target, runner, name: columnName(cell) });
      }
    }
  }
  return [...columns.values()].sort((a, b) => a.agent.localeCompare(b.agent) || b.target.localeCompare(a.target) || a.runner.localeCompare(b.runner));
}

/** @param {{ agent: string, target: string, runner: string }} cell */
function columnName(cell) {
  return `${cell.agent} · ${cell.target} ${cell.runner}`;
}

/** @param {Column[]} columns */
function heads(columns) {
  const agents = [...new Set(columns.map((column) => column.agent))];
  const wide = agents.map((agent) =>
    h("th", { role: "columnheader", scope: "colgroup", colspan: columns.filter((c) => c.agent === agent).length }, agent),
  );
  return h(
    "thead",
    { role: "rowgroup" },
    h("tr", { role: "row" }, h("th", { role: "columnheader", scope: "col", rowspan: 2, class: "model" }, "Model"), wide),
    h(
      "tr",
      { role: "row" },
      columns.map((c) => h("th", { role: "columnheader", scope: "col" }, c.target, " ", h("small", {}, c.runner))),
    ),
  );
}

/** @param {Line} line @param {Column[]} columns @param {number} index */
function row(line, columns, index) {
  const first = [...line.hits][0];
  const weights = first?.weights && first.weights !== "trained" ? h("small", {}, ` ${first.weights}`) : null;
  return h(
    "tr",
    { role: "row", "aria-rowindex": index + 3 },
    h("th", { role: "rowheader", scope: "row", class: "model" }, line.model, weights),
    columns.map((column) => {
      const cell = line.cells.get(column.name);
      const content = cell ? button(cell, !line.hits.has(cell)) : h("span", { class: "absent" }, "–");
      return h("td", { role: "gridcell", "data-column": column.name, class: cell ? null : "none" }, content);
    }),
  );
}

/** @param {Cell} cell @param {boolean} dim */
function button(cell, dim) {
  const change = MARKS[/** @type {keyof typeof MARKS} */ (cell.change)];
  const past = cell.before && cell.before.verdict !== cell.verdict ? `, was ${words(cell.before.verdict)}` : "";
  const size = cell.largest_absolute === null ? "" : error(cell.largest_absolute);
  return h(
    "button",
    {
      type: "button",
      class: dim ? "cell verdict dim" : "cell verdict",
      tabindex: -1,
      "data-verdict": cell.verdict,
      "data-cell": cell.id,
      "aria-haspopup": "dialog",
      "aria-label": `${words(cell.verdict)}${size && `, largest error ${size}`}${past}: ${cell.model} in ${cell.agent} on ${cell.target}, ${cell.runner}`,
      on: { click: () => write({ cell: cell.id }, true) },
    },
    h("b", {}, words(cell.verdict)),
    change && cell.change !== "new" ? h("i", { title: past.slice(2) }, change) : null,
    size && h("small", {}, size),
  );
}

/**
 * One stop for Tab, arrows inside, as grids have it.
 *
 * @param {HTMLTableElement} table
 * @param {() => boolean} more
 */
function rove(table, more) {
  const all = () => /** @type {HTMLButtonElement[]} */ ([...table.querySelectorAll("button.cell")]);
  let current = all()[0];
  const enter = (/** @type {HTMLButtonElement | undefined} */ next) => {
    if (!next) return;
    if (current) current.tabIndex = -1;
    current = next;
    next.tabIndex = 0;
  };
  enter(current);
  table.addEventListener("focusin", (event) => {
    if (event.target instanceof HTMLButtonElement) enter(event.target);
  });
  table.addEventListener("keydown", (event) => {
    const from = event.target instanceof Element ? event.target.closest("td") : null;
    const next = from && neighbour(from, event.key, event.ctrlKey, more);
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
}

/**
 * The cell that a key leads to.
 *
 * @param {HTMLTableCellElement} from
 * @param {string} key
 * @param {boolean} far
 * @param {() => boolean} more
 * @returns {HTMLButtonElement | null}
 */
function neighbour(from, key, far, more) {
  const row = /** @type {HTMLTableRowElement} */ (from.parentElement);
  const body = /** @type {HTMLTableSectionElement} */ (row.parentElement);
  const find = (/** @type {Element | null | undefined} */ td) => td?.querySelector("button") ?? null;
  /** @param {"nextElementSibling" | "previousElementSibling"} side */
  const across = (side) => {
    for (let td = from[side]; td; td = td[side]) if (find(td)) return find(td);
    return null;
  };
  const down = (/** @type {number} */ step) => {
    for (let i = row.sectionRowIndex + step; i >= 0; i += step) {
      if (i >= body.rows.length && !more()) return null;
      const found = find(body.rows[i]?.cells[from.cellIndex]);
      if (found) return found;
    }
    return null;
  };
  const inRow = () => /** @type {HTMLButtonElement[]} */ ([...(far ? body : row).querySelectorAll("button")]);
  switch (key) {
    case "ArrowRight":
      return across("nextElementSibling");
    case "ArrowLeft":
      return across("previousElementSibling");
    case "ArrowDown":
      return down(1);
    case "ArrowUp":
      return down(-1);
    case "Home":
      return inRow()[0] ?? null;
    case "End":
      return inRow().at(-1) ?? null;
    default:
      return null;
  }
}
