// What a person is asked, and told, about what he does. A dialog shows its own problems: what lies behind it is silent.

import { Gone, Refused } from "./api.js";
import { byId, el } from "./dom.js";

// Do it; what the service objects to is shown in the open dialog or in a place of its own, else at the foot of the page.
export async function attempt(work, button = null, place = null) {
  if (button) button.disabled = true;
  if (place) place.textContent = "";
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Refused || error instanceof Gone)) throw error;
    const there = place ?? [...document.querySelectorAll("dialog[open]")].at(-1)?.querySelector(".problem");
    if (there) there.textContent = error.message;
    else notify(error.message, "problem");
  } finally {
    if (button) button.disabled = false;
  }
}

export function notify(text, mood = "") {
  const close = el("button", { type: "button", class: "plain", "aria-label": "Dismiss", on: { click: () => byId("notice").replaceChildren() } }, "×");
  byId("notice").replaceChildren(el("div", { class: `toast ${mood}` }, el("p", {}, text), close));
}

// Resolves to whether the person said yes. Escape is no.
export function sure({ title, text, yes }) {
  const dialog = byId("sure-dialog");
  byId("sure-title").textContent = title;
  byId("sure-text").textContent = text;
  byId("sure-yes").textContent = yes;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
