/**
 * Elements from data. Text is always set as text: nothing here takes markup, so no name in the
 * data can become an element.
 */

/** @typedef {Node | string | number | null | undefined | false} Child */
/** @typedef {Record<string, any>} Attributes */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An HTML element. `on` holds listeners; an attribute that is null, undefined or false is left out.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  fill(element, attributes, children);
  return element;
}

/**
 * An SVG element.
 *
 * @param {string} tag
 * @param {Attributes} [attributes]
 * @param {...(Child | Child[])} children
 */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  fill(element, attributes, children);
  return /** @type {SVGElement} */ (element);
}

/**
 * @param {Element} element
 * @param {Attributes} attributes
 * @param {(Child | Child[])[]} children
 */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) {
        element.addEventListener(event, listener);
      }
    } else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  append(element, children);
}

/**
 * @param {Element} element
 * @param {(Child | Child[])[]} children
 */
export function append(element, children) {
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== false) {
      element.append(child instanceof Node ? child : String(child));
    }
  }
}

/**
 * A table with a header row.
 *
 * @param {string} caption
 * @param {(string | Node)[]} heads
 * @param {Child[][]} rows
 * @param {Set<number>} [numeric] columns that are aligned as numbers
 */
export function table(caption, heads, rows, numeric = new Set()) {
  const kind = (/** @type {number} */ column) => (numeric.has(column) ? "number" : null);
  // A table may be wider than a phone: its box scrolls, and a keyboard has to reach it for that.
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    h(
      "table",
      { class: "plain" },
      h("caption", { class: "unseen" }, caption),
      h("thead", {}, h("tr", {}, heads.map((head, i) => h("th", { scope: "col", class: kind(i) }, head)))),
      h(
        "tbody",
        {},
        rows.map((row) => h("tr", {}, row.map((cell, i) => h("td", { class: kind(i) ?? (isLong(cell) ? "long" : null) }, cell)))),
      ),
    ),
  );
}

/** @param {Child} cell */
function isLong(cell) {
  return typeof cell === "string" && cell.length > 22;
}

/**
 * Rows in pieces: the first at once, the others when a reader comes near the end, prints, or asks.
 *
 * @template T
 * @param {Element} list where the rows go
 * @param {Element} after what stands after the rows; the button for more is put there
 * @param {T[]} items
 * @param {(item: T, index: number) => Element} make
 * @param {number} [size] rows in a piece
 * @returns {{ more: () => boolean, all: () => void }}
 */
export function inPieces(list, after, items, make, size = 60) {
  let shown = 0;
  const button = h("button", { type: "button", class: "more", on: { click: () => more() } });
  const more = () => {
    if (shown >= items.length) return false;
    const piece = items.slice(shown, shown + size).map((item, i) => make(item, shown + i));
    list.append(...piece);
    shown += piece.length;
    const left = items.length - shown;
    button.textContent = `Show more (${left} left)`;
    button.hidden = left === 0;
    return true;
  };
  const all = () => {
    size = items.length;
    more();
  };
  list.replaceChildren();
  after.replaceChildren(button);
  more();
  new IntersectionObserver(([entry]) => entry?.isIntersecting && more(), { rootMargin: "600px" }).observe(button);
  printed.set(after, all);
  return { more, all };
}

/** @type {Map<Element, () => void>} */
const printed = new Map();
addEventListener("beforeprint", () => {
  for (const [element, all] of printed) {
    if (element.isConnected) all();
    else printed.delete(element);
  }
});

/**
 * A choice with a label.
 *
 * @param {string} label
 * @param {string} name
 * @param {(Child | Child[])[]} options
 * @param {(value: string) => void} changed
 */
export function choice(label, name, options, changed) {
  const select = h("select", { name, on: { change: () => changed(select.value) } }, options.flat());
  return h("label", { class: "field" }, h("span", {}, label), select);
}

/** @param {string} value @param {string} [text] */
export function option(value, text = value) {
  return h("option", { value }, text);
}

/** @param {string} text */
export function announce(text) {
  const status = document.getElementById("status");
  if (status) status.textContent = text;
}
