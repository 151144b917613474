// Removing many answers at once: first counted, then removed, and only what was counted.

import { ask } from "./api.js";
import { attempt, notify } from "./dialogs.js";
import { byId } from "./dom.js";
import { count, plural } from "./format.js";

const DAY = 86400;

export function openPurge(conditionsOf, changed) {
  const [dialog, form] = [byId("purge-dialog"), byId("purge-form")];
  const [found, act] = [byId("purge-found"), byId("purge-act")];
  const forget = () => {
    act.disabled = true;
    act.textContent = "Remove";
    found.textContent = "";
    form.querySelector(".problem").textContent = "";
  };
  byId("purge").addEventListener("click", () => {
    form.reset();
    for (const [name, value] of Object.entries(conditionsOf())) if (form.elements[name]) form.elements[name].value = value;
    forget();
    dialog.showModal();
  });
  form.addEventListener("input", forget);
  byId("purge-count").addEventListener("click", (event) => attempt(async () => {
    forget();
    const { removed } = await ask("/purge", { method: "POST", body: { ...wanted(form), dry_run: true } });
    found.textContent = removed ? `${plural(removed, "stored answer")} would be removed.` : "Nothing would be removed.";
    act.disabled = !removed;
    act.textContent = removed ? `Remove ${count(removed)}` : "Remove";
  }, event.currentTarget));
  act.addEventListener("click", () => attempt(async () => {
    const { removed } = await ask("/purge", { method: "POST", body: wanted(form) });
    dialog.close();
    notify(`${plural(removed, "stored answer was", "stored answers were")} removed.`);
    await changed();
  }));
  byId("purge-close").addEventListener("click", () => dialog.close());
}

function wanted(form) {
  const { days, similarity, ...given } = Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ""));
  return {
    ...given,
    ...(days && { older_than_seconds: Number(days) * DAY }),
    ...(given.near && similarity && { similarity: Number(similarity) }),
  };
}
