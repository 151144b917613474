// Stored answers: the most used, and all of them, searched and turned page by page by a cursor of the store.

import { ask, query } from "./api.js";
import { attempt } from "./dialogs.js";
import { bar, byId, el, say, show, table } from "./dom.js";
import { bytes, count, plural, when } from "./format.js";

const PAGE = 25;
const TOP = 8;

// The cursors of the pages before this one, the first being that of the first page; and that of the next one.
let turned = [null];
let next = null;
let newest = 0;
let namespaceOf = () => "";
let open = () => {};

export function openEntries(namespace, opener) {
  [namespaceOf, open] = [namespace, opener];
  byId("entries-form").addEventListener("submit", (event) => { event.preventDefault(); search(); });
  byId("entries-form").addEventListener("change", search);
  byId("previous-page").addEventListener("click", () => turn(turned.slice(0, -1)));
  byId("next-page").addEventListener("click", () => turn([...turned, next]));
}

export const conditions = () => ({ ...Object.fromEntries(new FormData(byId("entries-form"))), namespace: namespaceOf() });
export const search = () => turn([null]);
export const reload = () => turn(turned);

// An answer that comes when another page was asked for meanwhile is of no use.
const turn = (cursors) => attempt(async () => {
  const mine = (newest += 1);
  byId("entry-table").setAttribute("aria-busy", "true");
  const found = await ask(`/entries${query({ ...conditions(), limit: PAGE, cursor: cursors.at(-1) })}`).finally(() => {
    if (mine === newest) byId("entry-table").setAttribute("aria-busy", "false");
  });
  if (mine !== newest) return;
  [turned, next] = [cursors, found.next_cursor];
  byId("previous-page").disabled = turned.length === 1;
  byId("next-page").disabled = !next;
  say("page-number", found.entries.length ? `Page ${count(turned.length)}${next ? "" : ", the last"}` : "");
  showPage(found.entries);
});

function showPage(entries) {
  const rows = entries.map((each) => ({
    cells: [
      el("button", { type: "button", class: "link", data: { key: each.id }, on: { click: () => open(each.id) } }, shortened(each.question)),
      each.kind === "faq" ? "FAQ" : each.kind, each.namespace, each.tags.join(", "), count(each.hits), each.served_model, when(each.created_at),
    ],
  }));
  const columns = [
    { name: "Question", text: true }, { name: "kind", wide: true }, { name: "namespace", wide: true }, { name: "tags", wide: true },
    { name: "hits", n: true }, { name: "model", id: true, wide: true }, { name: "stored", n: true, wide: true },
  ];
  show("entry-table", table({ caption: "Stored answers", columns, rows, empty: "No stored answer meets these conditions." }));
}

export async function loadTop() {
  const { entries } = await ask(`/entries${query({ order: "hits", limit: TOP, namespace: namespaceOf() })}`);
  const most = entries[0]?.hits || 1;
  const rows = entries.filter((each) => each.hits).map((each) => ({
    cells: [el("button", { type: "button", class: "link", data: { key: `top ${each.id}` }, on: { click: () => open(each.id) } }, shortened(each.question, 80)), bar(each.hits / most, "gain"), count(each.hits)],
  }));
  const columns = [{ name: "Question", text: true }, { hint: "Bar", wide: true }, { name: "hits", n: true }];
  show("top", table({ caption: "Most used answers", columns, rows, empty: "No stored answer was used yet." }));
}

export function showStats(stats) {
  show("held", `${plural(stats.entries, "answer")}, ${count(stats.faq_entries)} of them FAQ; ${bytes(stats.bytes)} of text, ${plural(stats.exemplars, "wording")}`);
  show("about", `Mode ${stats.mode}, embedding ${stats.embedder}.`);
}

const shortened = (text, most = 160) => (text.length > most ? `${text.slice(0, most).trimEnd()}…` : text) || "(no question)";
