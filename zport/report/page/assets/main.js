/** The page: its head, the view that the address names, and the details over it. */

import { mountBenchmarks } from "page/benchmarks.js";
import { mountChanges } from "page/changes.js";
import { load } from "page/data.js";
import { benchDetails, cellDetails } from "page/details.js";
import { h } from "page/dom.js";
import { downloadMenu } from "page/downloads.js";
import { commit, counted, time } from "page/format.js";
import { mountImages } from "page/images.js";
import { mountMatrix } from "page/matrix.js";
import { mountPackages, packageDetails, packageId } from "page/packages.js";
import { address, CLOSED, listen, read, write } from "page/state.js";
import { themeButton } from "page/theme.js";

/** @typedef {import("page/data.js").Data} Data */
/** @typedef {import("page/state.js").State} State */

/** @type {Record<string, [string, (root: Element, data: Data) => (state: State) => void]>} */
const VIEWS = {
  matrix: ["Matrix", mountMatrix],
  changes: ["Changes", mountChanges],
  packages: ["Packages", mountPackages],
  images: ["Images", mountImages],
  benchmarks: ["Benchmarks", mountBenchmarks],
};

export function start() {
  const data = load();
  const main = /** @type {HTMLElement} */ (document.getElementById("main"));
  const links = head(data);
  let current = "";
  /** @type {(state: State) => void} */
  let update = () => {};
  const show = (/** @type {State} */ state) => {
    const name = state.view && state.view in VIEWS ? state.view : "matrix";
    if (name !== current) {
      const root = h("div", { class: `view ${name}` });
      // In the document first: a plot asks how wide its place is.
      main.replaceChildren(root);
      update = /** @type {any} */ (VIEWS[name])[1](root, data);
      current = name;
    }
    update(state);
    for (const [view, link] of links) {
      link.href = address({ view, ...CLOSED });
      if (view !== name) link.removeAttribute("aria-current");
      else if (!link.hasAttribute("aria-current")) {
        link.setAttribute("aria-current", "page");
        link.parentElement?.scrollTo({ left: link.offsetLeft - link.parentElement.offsetLeft - 40 });
      }
    }
    details(state, data);
  };
  listen(show);
  keys();
  show(read());
}

/** @param {Data} data @returns {Map<string, HTMLAnchorElement>} */
function head(data) {
  const links = new Map(
    Object.entries(VIEWS).map(([view, [title]]) => {
      const follow = (/** @type {Event} */ event) => {
        event.preventDefault();
        write({ view, ...CLOSED }, true);
      };
      return [view, h("a", { href: "#", on: { click: follow } }, title)];
    }),
  );
  document.getElementById("head")?.append(
    h("div", { class: "title" }, h("h1", {}, "zport report"), h("div", { class: "tools" }, downloadMenu(data), themeButton())),
    h("p", { class: "about" }, about(data)),
    problems(data.problems) ?? "",
    h("nav", { "aria-label": "Views" }, [...links.values()]),
  );
  return links;
}

/** What the page shows, in a line. @param {Data} data */
function about(data) {
  const run = data.runs.find((one) => one.id === data.run) ?? data.runs[0];
  if (!run) return "No run has left results yet.";
  const which = data.run === null ? `newest result of each cell in ${counted(data.runs.length, "run")}, the last one ` : "";
  const ended = run.ended ? time(run.ended) : `${time(run.started)}, not ended`;
  const parts = [`${which}run ${run.id} of ${ended}`, run.host && `on ${run.host}`, run.engine, run.zport && `zport ${run.zport}`, run.commit && `commit ${commit(run.commit)}`];
  return parts.filter(Boolean).join(" · ");
}

/** @param {string[]} found */
function problems(found) {
  if (!found.length) return null;
  return h("details", { class: "notice" }, h("summary", {}, `${counted(found.length, "file")} could not be read and ${found.length === 1 ? "is" : "are"} left out`), h("ul", {}, found.map((one) => h("li", {}, one))));
}

/** Open the details that the state names, or close them. @param {State} state @param {Data} data */
function details(state, data) {
  const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("details"));
  const cell = data.byId.get(state.cell ?? "");
  const one = data.packages.find((each) => packageId(each) === state.package);
  const bench = state.bench ? data.benches[Number(state.bench)] : undefined;
  const name = cell ? `cell ${cell.id}` : one ? `package ${state.package}` : bench ? `bench ${state.bench}` : "";
  if (name === (dialog.dataset.shows ?? "")) return;
  dialog.dataset.shows = name;
  if (cell) dialog.dataset.showed = cell.id;
  if (!name) {
    dialog.close();
    return;
  }
  const label = /** @type {HTMLElement | null} */ (document.activeElement)?.textContent;
  dialog.replaceChildren(...(cell ? cellDetails(cell, data) : one ? packageDetails(one) : benchDetails(bench ?? {}, data)));
  dialog.scrollTop = 0;
  if (!dialog.open) dialog.showModal();
  // Whoever steps through cells stays on the button.
  const same = [...dialog.querySelectorAll("header button:not(:disabled)")].find((button) => button.textContent === label);
  /** @type {HTMLElement | null} */ (same ?? dialog.querySelector(".close"))?.focus();
}

function keys() {
  const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("details"));
  const close = () => write(CLOSED, true);
  // Escape closes it too: then the address has to follow, and the focus goes to what was shown.
  dialog.addEventListener("close", () => {
    const shown = dialog.dataset.shows ?? "";
    if (shown) close();
    const id = CSS.escape(dialog.dataset.showed ?? "");
    /** @type {HTMLElement | null} */ (document.querySelector(`button[data-cell="${id}"]`))?.focus();
  });
  dialog.addEventListener("click", (event) => event.target === dialog && close());
  addEventListener("keydown", (event) => {
    const typing = event.target instanceof Element && event.target.closest("input, select, textarea, dialog");
    const search = /** @type {HTMLElement | null} */ (document.querySelector("input[type=search]"));
    if (event.key === "/" && !typing && search) {
      event.preventDefault();
      search.focus();
    }
  });
  addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!(event.target instanceof Node && menu.contains(event.target))) menu.removeAttribute("open");
    }
  });
}
