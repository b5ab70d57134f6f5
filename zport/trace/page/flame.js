/**
 * The flame graph: frames as buttons, as wide as their time. Text is always set as text.
 */

/** @typedef {{name: string, level: string | null, time: number, count: number, frames: Frame[]}} Frame */
/** @typedef {{frame: Frame, depth: number, left: number, width: number}} Place */

const ROW = 26;
const NARROWEST = 0.001;

/** @type {{runs: Record<string, Frame>, first: string}} */
const data = JSON.parse(element("data").textContent ?? "");
const graph = element("graph");
const details = element("details");
const run = /** @type {HTMLSelectElement} */ (element("run"));
const find = /** @type {HTMLInputElement} */ (element("find"));
const out = /** @type {HTMLButtonElement} */ (element("out"));

/** The frames from the whole run to the one that fills the width. @type {Frame[]} */
let path = [];

/** @param {string} id */
function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** Where each frame lies: those that are zoomed into over the whole width, then what is inside. */
function places() {
  /** @type {Place[]} */
  const found = path.slice(0, -1).map((frame, depth) => ({ frame, depth, left: 0, width: 1 }));
  const innermost = path[path.length - 1];
  /** @param {Frame} frame @param {number} depth @param {number} left */
  const add = (frame, depth, left) => {
    const width = innermost.time > 0 ? frame.time / innermost.time : 1;
    if (width < NARROWEST) return;
    found.push({ frame, depth, left, width });
    let start = left;
    for (const inner of frame.frames) {
      add(inner, depth + 1, start);
      start += inner.time / (innermost.time || 1);
    }
  };
  add(innermost, path.length - 1, 0);
  return found;
}

function draw() {
  const all = places();
  graph.replaceChildren(...all.map(button));
  graph.style.height = `${(Math.max(...all.map((place) => place.depth)) + 1) * ROW}px`;
  out.disabled = path.length === 1;
  mark();
}

/** @param {Place} place */
function button(place) {
  const { frame, depth, left, width } = place;
  const made = document.createElement("button");
  made.type = "button";
  made.className = "frame";
  made.dataset.level = frame.level ?? "";
  made.textContent = frame.name;
  made.title = phrase(frame);
  made.setAttribute("aria-label", phrase(frame));
  made.style.left = `${left * 100}%`;
  made.style.width = `${width * 100}%`;
  made.style.top = `${depth * ROW}px`;
  made.addEventListener("click", () => zoom(frame));
  for (const event of ["focus", "pointerenter"]) {
    made.addEventListener(event, () => tell(frame));
  }
  return made;
}

/** @param {Frame} frame */
function phrase(frame) {
  const share = data.runs[run.value].time > 0 ? frame.time / data.runs[run.value].time : 0;
  const level = frame.level ? `${frame.level} · ` : "";
  const times = frame.count === 1 ? "once" : `${frame.count} times`;
  const mean = frame.count === 1 ? "" : `, ${milliseconds(frame.time / frame.count)} each`;
  return `${frame.name} · ${level}${milliseconds(frame.time)} · ${(share * 100).toFixed(1)} % of the run · ${times}${mean}`;
}

/** @param {number} time in ns */
function milliseconds(time) {
  return `${(time / 1e6).toFixed(3)} ms`;
}

/** @param {Frame} frame */
function tell(frame) {
  details.textContent = phrase(frame);
}

/** Zooms to a frame; to one that is zoomed into already, back out to it. @param {Frame} frame */
function zoom(frame) {
  path = way(path[0], frame) ?? path;
  draw();
  const labels = [...graph.querySelectorAll("button")];
  labels[path.length - 1]?.focus();
  tell(frame);
}

/** The frames from one to another inside it. @param {Frame} from @param {Frame} to @returns {Frame[] | null} */
function way(from, to) {
  if (from === to) return [from];
  for (const inner of from.frames) {
    const rest = way(inner, to);
    if (rest) return [from, ...rest];
  }
  return null;
}

function outwards() {
  if (path.length > 1) zoom(path[path.length - 2]);
}

/** Marks what the search finds, and says how much it is. */
function mark() {
  const wanted = find.value.trim().toLowerCase();
  for (const one of graph.querySelectorAll("button")) {
    one.classList.toggle("found", wanted !== "" && (one.textContent ?? "").toLowerCase().includes(wanted));
  }
  if (wanted) {
    const { time, count } = matches(path[0], wanted);
    details.textContent = count
      ? `${count} frames have “${find.value.trim()}” in their names, ${milliseconds(time)} in all`
      : `No frame has “${find.value.trim()}” in its name.`;
  }
}

/** A frame inside one that is found counts no time of its own. @param {Frame} frame @param {string} wanted */
function matches(frame, wanted) {
  const own = frame.name.toLowerCase().includes(wanted);
  const sum = { time: 0, count: own ? 1 : 0 };
  for (const inner of frame.frames) {
    const found = matches(inner, wanted);
    sum.time += found.time;
    sum.count += found.count;
  }
  if (own) sum.time = frame.time;
  return sum;
}

function show() {
  path = [data.runs[run.value]];
  draw();
}

for (const name of Object.keys(data.runs)) {
  run.append(new Option(name, name));
}
run.value = data.first;
run.addEventListener("change", show);
find.addEventListener("input", mark);
out.addEventListener("click", outwards);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target !== find) outwards();
});
show();
