// Stored answers: found page by page, read, corrected, reported and removed.

import { ask, query, Refused } from "./api.js";
import { count, el, show, table, when } from "./dom.js";

const PAGE = 25;
let next = null;
let say = () => {};

export function openEntries(tell) {
  say = tell;
  const form = document.getElementById("entries-form");
  form.addEventListener("submit", (event) => { event.preventDefault(); load(null); });
  document.getElementById("first-page").addEventListener("click", () => load(null));
  document.getElementById("next-page").addEventListener("click", () => load(next));
  document.getElementById("purge").addEventListener("click", () => guarded(purge));
}

export const load = (cursor) => guarded(async () => {
  const { order, ...conditions } = wanted();
  const isSorted = order === "hits";
  const found = await ask(`/entries${query({ ...conditions, limit: isSorted ? 1000 : PAGE, cursor })}`);
  const entries = isSorted ? found.entries.toSorted((one, other) => other.hits - one.hits).slice(0, PAGE) : found.entries;
  next = isSorted ? null : found.next_cursor;
  document.getElementById("next-page").disabled = !next;
  const columns = [{ name: "question", text: true }, { name: "kind" }, { name: "namespace" }, { name: "hits", n: true }, { name: "model" }, { name: "stored" }];
  const rows = entries.map((each) => [
    el("button", { type: "button", on: { click: () => guarded(() => open(each.id)) } }, each.question.slice(0, 200) || "(no question)"),
    each.kind, each.namespace, count(each.hits), each.served_model, when(each.created_at),
  ]);
  show("entry-table", table("Stored answers", columns, rows));
});

function wanted() {
  const form = Object.fromEntries(new FormData(document.getElementById("entries-form")));
  return { ...form, namespace: document.forms.scope.namespace.value };
}

async function open(id) {
  const entry = await ask(`/entries/${encodeURIComponent(id)}`);
  const dialog = document.getElementById("entry-dialog");
  const answer = el("textarea", { name: "answer", value: entry.answer });
  const act = (name, work, mood = "") => el("button", { type: "button", class: mood, on: { click: () => guarded(async () => { await work(); dialog.close(); await load(null); }) } }, name);
  dialog.replaceChildren(
    el("h2", { id: "entry-title" }, entry.question || "(no question)"),
    el("p", { class: "quiet" }, `${entry.kind}, ${entry.namespace}, ${count(entry.hits)} hits, stored ${when(entry.created_at)}, ${entry.id}`),
    el("label", { class: "wide" }, "Answer", answer),
    el("details", {}, el("summary", {}, `Known by ${entry.exemplars.length} wordings`), el("ul", {}, ...entry.exemplars.map((each) => el("li", {}, `${each.label}: ${each.text}`)))),
    el("div", { class: "acts" },
      act("Save the answer", () => ask(`/entries/${encodeURIComponent(id)}`, { method: "PUT", body: { answer: answer.value } })),
      act("This was wrong", () => ask("/feedback", { method: "POST", body: { entry: id, verdict: "wrong" } }), "danger"),
      act("Remove", async () => { if (await sure("This answer is forgotten, with all wordings it is known by.")) await ask(`/entries/${encodeURIComponent(id)}`, { method: "DELETE" }); }, "danger"),
      el("button", { type: "button", on: { click: () => dialog.close() } }, "Close")),
  );
  dialog.showModal();
}

async function purge() {
  const { order, ...conditions } = wanted();
  const given = Object.fromEntries(Object.entries(conditions).filter(([, value]) => value));
  if (!Object.keys(given).length) throw new Refused("Purging needs a condition: a text, a kind, a tag or a namespace.");
  const { removed } = await ask("/purge", { method: "POST", body: { ...given, dry_run: true } });
  if (!removed) throw new Refused("Nothing is found, so nothing would be removed.");
  if (!(await sure(`${count(removed)} stored answers are forgotten.`))) return;
  const done = await ask("/purge", { method: "POST", body: given });
  say(`${count(done.removed)} stored answers were removed.`);
  await load(null);
}

function sure(text) {
  const dialog = document.getElementById("sure-dialog");
  document.getElementById("sure-text").textContent = text;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

async function guarded(work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    say(error.message, true);
  }
}
