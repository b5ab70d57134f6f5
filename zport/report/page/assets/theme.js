/** Light or dark: as the system has it, until the reader chooses. */

import { h } from "page/dom.js";

const NAME = "zport-theme";
const NEXT = { auto: "dark", dark: "light", light: "auto" };

export function themeButton() {
  const button = h("button", { type: "button", on: { click: () => choose(NEXT[/** @type {keyof typeof NEXT} */ (current())]) } });
  const choose = (/** @type {string} */ theme) => {
    document.documentElement.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
    remember(theme);
  };
  choose(remembered());
  return button;
}

function current() {
  return document.documentElement.dataset.theme ?? "auto";
}

function remembered() {
  try {
    const theme = localStorage.getItem(NAME) ?? "auto";
    return theme in NEXT ? theme : "auto";
  } catch {
    return "auto"; // a page that is a file may have no storage
  }
}

/** @param {string} theme */
function remember(theme) {
  try {
    localStorage.setItem(NAME, theme);
  } catch {
    // it holds for this visit then
  }
}
