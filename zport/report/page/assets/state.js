/** What is shown is in the address after `#`, so a link shows the same, and Back goes back. */

/** @typedef {Record<string, string>} State */

/** What holds where the address says nothing; only other values are written. @type {State} */
const DEFAULTS = {
  view: "matrix",
  q: "",
  verdict: "",
  agent: "",
  target: "",
  runner: "",
  weights: "",
  change: "",
  run: "",
  sort: "name",
  cell: "",
  package: "",
  bench: "",
  kind: "",
  model: "",
  scenario: "",
  x: "",
  y: "",
  colour: "target",
  front: "1",
};

/** The state without any details open. @type {State} */
export const CLOSED = { cell: "", package: "", bench: "" };

/** @type {((state: State) => void)[]} */
const listeners = [];

/** @returns {State} */
export function read() {
  const given = new URLSearchParams(location.hash.slice(1));
  return { ...DEFAULTS, ...Object.fromEntries([...given].filter(([name]) => name in DEFAULTS)) };
}

/** The whole address of a state that differs from the present one by that. @param {State} change */
export function address(change) {
  return location.href.split("#", 1)[0] + fragment(change);
}

/** @param {State} change */
function fragment(change) {
  const state = { ...read(), ...change };
  const changed = Object.entries(state).filter(([name, value]) => value !== DEFAULTS[name]);
  return `#${new URLSearchParams(changed)}`;
}

/**
 * Change the state. `step` makes it a step that Back takes back.
 *
 * @param {State} change
 * @param {boolean} [step]
 */
export function write(change, step = false) {
  const next = fragment(change);
  if (next === (location.hash || "#")) return;
  if (step) history.pushState(null, "", next);
  else history.replaceState(null, "", next);
  tell();
}

/** @param {(state: State) => void} listener called with each new state */
export function listen(listener) {
  listeners.push(listener);
}

function tell() {
  const state = read();
  for (const listener of listeners) listener(state);
}

// Back and forward, and an address that was typed.
addEventListener("popstate", tell);
