/** Filters of the matrix: which cells are meant, and the controls that say so. */

import { counts, distinct, rank, VERDICTS } from "page/data.js";
import { choice, h, option } from "page/dom.js";
import { words } from "page/format.js";
import { read, write } from "page/state.js";

/** @typedef {import("page/data.js").Cell} Cell */
/** @typedef {import("page/data.js").Data} Data */
/** @typedef {import("page/state.js").State} State */

const KEYS = ["agent", "target", "runner", "weights", "change", "run"];
const LABELS = { agent: "Image", target: "Target", runner: "Runner", weights: "Weights", change: "Change", run: "Run" };

/**
 * Whether a cell is meant. `but` leaves one key out, for counting what a choice there would give.
 *
 * @param {State} state
 * @param {string} [but]
 * @returns {(cell: Cell) => boolean}
 */
export function meant(state, but = "") {
  const keys = KEYS.filter((key) => key !== but && state[key]);
  const verdicts = but === "verdict" || !state.verdict ? null : new Set((state.verdict ?? "").split(","));
  const asked = (state.q ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  return (cell) =>
    keys.every((key) => String(cell[key]) === state[key]) &&
    (!verdicts || verdicts.has(cell.verdict)) &&
    asked.every((word) => cell.text.includes(word));
}

/**
 * The controls. What is returned sets them to a state.
 *
 * @param {Element} root
 * @param {Data} data
 * @returns {(state: State) => void}
 */
export function controls(root, data) {
  const search = h("input", {
    type: "search",
    name: "q",
    placeholder: "model, reason, operator",
    autocomplete: "off",
    on: { input: () => write({ q: search.value }) },
  });
  const choices = KEYS.filter((key) => distinct(data.cells, key).length > 1).map((key) =>
    choice(
      LABELS[/** @type {keyof typeof LABELS} */ (key)],
      key,
      [option("", "all"), distinct(data.cells, key).map((value) => option(value))],
      (value) => write({ [key]: value }),
    ),
  );
  const sort = choice(
    "Order",
    "sort",
    [option("name", "by name"), option("worst", "worst first"), option("error", "largest error")],
    (value) => write({ sort: value }),
  );
  const reset = h(
    "button",
    { type: "button", on: { click: () => write(Object.fromEntries(["q", "verdict", ...KEYS].map((k) => [k, ""]))) } },
    "Clear filters",
  );
  const verdicts = h("div", { class: "chips", role: "group", "aria-label": "Verdicts" });
  root.append(
    verdicts,
    h(
      "form",
      { class: "fields", role: "search", on: { submit: (/** @type {Event} */ event) => event.preventDefault() } },
      h("label", { class: "field wide" }, h("span", {}, "Search"), search),
      choices,
      sort,
      reset,
    ),
  );
  return (state) => {
    if (search.value !== state.q) search.value = state.q ?? "";
    for (const select of root.querySelectorAll("select")) select.value = state[select.name] ?? "";
    reset.hidden = !["q", "verdict", ...KEYS].some((key) => state[key]);
    showVerdicts(verdicts, data, state);
  };
}

/** A button for each verdict, with how many cells have it. @param {Element} root @param {Data} data @param {State} state */
function showVerdicts(root, data, state) {
  const chosen = new Set((state.verdict ?? "").split(",").filter(Boolean));
  const counted = counts(data.cells.filter(meant(state, "verdict")), "verdict");
  const every = [...new Set([...VERDICTS.toReversed(), ...distinct(data.cells, "verdict")])]
    .filter((verdict) => counted.has(verdict) || chosen.has(verdict))
    .sort((a, b) => rank(b) - rank(a));
  const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset.verdict;
  root.replaceChildren(
    ...every.map((verdict) =>
      h(
        "button",
        {
          type: "button",
          class: "chip verdict",
          "data-verdict": verdict,
          "aria-pressed": chosen.has(verdict) ? "true" : "false",
          on: { click: () => toggle(verdict) },
        },
        h("b", {}, (counted.get(verdict) ?? 0).toLocaleString("en")),
        ` ${words(verdict)}`,
      ),
    ),
  );
  if (focused) /** @type {HTMLElement | null} */ (root.querySelector(`[data-verdict="${CSS.escape(focused)}"]`))?.focus();
}

/** @param {string} verdict */
function toggle(verdict) {
  const chosen = new Set((read().verdict ?? "").split(",").filter(Boolean));
  if (!chosen.delete(verdict)) chosen.add(verdict);
  write({ verdict: [...chosen].join(",") });
}
