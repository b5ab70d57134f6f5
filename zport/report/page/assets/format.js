/** Numbers, times and sizes as text. What is absent is a dash, what is not finite its name. */

const NONE = "–";

/** @param {unknown} value an error, a metric */
export function number(value) {
  if (typeof value !== "number") return value === null || value === undefined ? NONE : String(value);
  if (value === 0) return "0";
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return value.toLocaleString("en");
  const size = Math.abs(value);
  return size >= 0.001 && size < 1e6 ? trimmed(value.toPrecision(4)) : value.toExponential(1);
}

/** @param {string} text */
function trimmed(text) {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** @param {unknown} value the largest error of a cell, short */
export function error(value) {
  return typeof value === "number" && value !== 0 ? value.toExponential(1) : number(value);
}

/** @param {number | null | undefined} bytes */
export function megabytes(bytes) {
  return bytes === null || bytes === undefined ? NONE : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

/** @param {number | null | undefined} seconds */
export function seconds(seconds) {
  if (seconds === null || seconds === undefined) return NONE;
  if (seconds < 120) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** @param {number | null | undefined} nanoseconds */
export function latency(nanoseconds) {
  if (typeof nanoseconds !== "number") return NONE;
  if (nanoseconds < 1e6) return `${(nanoseconds / 1e3).toPrecision(3)} µs`;
  if (nanoseconds < 1e9) return `${(nanoseconds / 1e6).toPrecision(3)} ms`;
  return `${trimmed((nanoseconds / 1e9).toPrecision(3))} s`;
}

/** @param {string | null | undefined} time ISO 8601 in UTC */
export function time(time) {
  return time ? time.replace("T", " ").replace(/(:\d\d)(:\d\d)?(\.\d+)?(\+00:00|Z)$/, "$1 UTC") : NONE;
}

/** @param {string | null | undefined} commit */
export function commit(commit) {
  return commit ? commit.slice(0, 10) + (commit.endsWith("+") ? " with changes" : "") : NONE;
}

/** @param {unknown} value anything, as one line @returns {string} */
export function anything(value) {
  if (value === null || value === undefined) return NONE;
  if (typeof value === "number") return number(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value) && value.every((one) => typeof one !== "object")) return value.join(", ") || NONE;
  if (typeof value !== "object") return String(value);
  const parts = Object.entries(value).filter(([, inner]) => inner !== null);
  if (Array.isArray(value) || parts.some(([, inner]) => typeof inner === "object")) return JSON.stringify(value);
  return parts.map(([name, inner]) => `${words(name)} ${anything(inner)}`).join(", ") || NONE;
}

/** @param {string} name a key of a record, as words */
export function words(name) {
  return name.replaceAll("_", " ");
}

/** @param {number} count @param {string} one @param {string} [many] */
export function counted(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}
