// One stored answer: read, corrected, judged, removed. And a new one, written by hand.

import { ask } from "./api.js";
import { attempt, notify, sure } from "./dialogs.js";
import { byId, el, figures, table } from "./dom.js";
import { count, plural, UNKNOWN, usd, when } from "./format.js";

const LABELS = { positive: "this answer", negative: "another answer" };

export function openEntry(id, changed) {
  return attempt(async () => {
    const entry = await ask(`/entries/${encodeURIComponent(id)}`);
    const dialog = byId("entry-dialog");
    fill(dialog, entry, async (text) => {
      dialog.close();
      notify(text);
      await changed();
    });
    if (!dialog.open) dialog.showModal();
  });
}

function fill(dialog, entry, done) {
  const path = `/entries/${encodeURIComponent(entry.id)}`;
  const form = el("form", { on: { submit: (event) => { event.preventDefault(); attempt(() => save(form, path, done), event.submitter); } } },
    el("label", { class: "long" }, "Answer", el("textarea", { name: "answer", value: entry.answer, required: true, rows: 9 })),
    el("label", { class: "long" }, "Tags, separated by commas", el("input", { name: "tags", value: entry.tags.join(", "), autocomplete: "off" })),
    el("p", { class: "problem", role: "alert" }),
    el("div", { class: "acts" },
      el("button", { class: "primary" }, "Save"),
      act("This was wrong", "danger", () => wrong(entry, entry.question, done)),
      act("Remove", "danger", () => remove(entry, path, done)),
      el("button", { type: "button", on: { click: () => dialog.close() } }, "Close")));
  dialog.replaceChildren(el("h2", { id: "entry-title" }, entry.question || "(no question)"), facts(entry), form, wordings(entry, done));
}

const act = (name, mood, work) => el("button", { type: "button", class: mood, on: { click: (event) => attempt(work, event.currentTarget) } }, name);

function facts(entry) {
  return figures([
    ["Kind", entry.kind === "faq" ? "FAQ" : "learned"], ["Namespace", entry.namespace], ["Model", entry.served_model || "any"],
    ["Hits", count(entry.hits)], ["Last hit", when(entry.last_hit_at)], ["Stored", when(entry.created_at)],
    ["Kept until", entry.expires_at === null ? "removed" : when(entry.expires_at)], ["It cost", entry.cost_usd ? usd(entry.cost_usd, 6) : UNKNOWN],
    ["Id", el("code", {}, entry.id)],
  ]);
}

function wordings(entry, done) {
  const rows = entry.exemplars.map((each) => {
    const isOther = each.label === "positive" && each.text.trim() !== entry.question.trim();
    return { cells: [each.text, LABELS[each.label] ?? each.label, each.origin, when(each.created_at), isOther ? act("Wrong for this", "link danger", () => wrong(entry, each.text, done)) : ""] };
  });
  const columns = [{ name: "Wording", text: true }, { name: "needs" }, { name: "known from", wide: true }, { name: "since", n: true, wide: true }, { hint: "Judge" }];
  return el("details", {}, el("summary", {}, `Known by ${plural(rows.length, "wording")}`), table({ caption: "Wordings", columns, rows, empty: "By no wording: only the exact request finds it." }));
}

async function save(form, path, done) {
  const { answer, tags } = Object.fromEntries(new FormData(form));
  await ask(path, { method: "PUT", body: { answer, tags: listed(tags) } });
  await done("The answer is saved, and served from now on.");
}

async function wrong(entry, question, done) {
  const isOwn = question === entry.question;
  const text = isOwn
    ? "The answer is removed; when Claude says the same again, it is passed on but not stored."
    : `It is not served for “${question}”, or near it, again; for its other wordings it stays.`;
  if (!(await sure({ title: "This answer was wrong?", text, yes: "It was wrong" }))) return;
  const said = await ask("/feedback", { method: "POST", body: { entry: entry.id, verdict: "wrong", ...(!isOwn && { question }) } });
  const { other_wordings: others, servings } = said.affected;
  await done(`Noted (${said.effect}). It was known by ${plural(others, "other wording")} and served ${plural(servings, "time")} of late.`);
}

async function remove(entry, path, done) {
  if (!(await sure({ title: "Remove this answer?", text: "It is forgotten with all wordings it is known by.", yes: "Remove" }))) return;
  await ask(path, { method: "DELETE" });
  await done("The answer was removed.");
}

export function openWriting(namespaceOf, changed) {
  const [dialog, form] = [byId("write-dialog"), byId("write-form")];
  byId("write").addEventListener("click", () => {
    form.reset();
    form.elements.namespace.value = namespaceOf() || "default";
    form.querySelector(".problem").textContent = "";
    dialog.showModal();
  });
  form.addEventListener("submit", (event) => {
    if (event.submitter?.value === "no") return;
    event.preventDefault();
    attempt(async () => {
      const { tags, ...body } = Object.fromEntries(new FormData(form));
      const { outcome } = await ask("/entries", { method: "PUT", body: { ...body, tags: listed(tags) } });
      dialog.close();
      notify(`The answer was ${outcome}.`);
      await changed();
    }, event.submitter);
  });
}

const listed = (tags) => tags.split(",").map((each) => each.trim()).filter(Boolean);
