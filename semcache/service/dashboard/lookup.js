// What would happen to this question? Nothing is sent, stored or counted.

import { ask } from "./api.js";
import { attempt } from "./dialogs.js";
import { byId, el, show, table } from "./dom.js";
import { share, usd } from "./format.js";

const VERDICTS = {
  hit: ["good", "It would be answered from memory."],
  miss: ["soft", "It would be sent to Claude."],
  bypass: ["soft", "It would be sent to Claude without a look into memory."],
};
const WEIGHTIEST = 6;

export function openLookup(namespaceOf, open) {
  const form = byId("lookup-form");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { question, model, system, key } = Object.fromEntries(new FormData(form));
    attempt(async () => {
      const body = { question, model, ...(system && { system }) };
      const headers = { ...(namespaceOf() && { "x-semcache-namespace": namespaceOf() }), ...(key && { "x-api-key": key }) };
      show("lookup-result", ...told(await ask("/lookup", { method: "POST", body, headers }), Boolean(key), open));
    }, event.submitter, byId("lookup-problem"));
  });
}

function told(found, hasKey, open) {
  const [mood, verdict] = VERDICTS[found.outcome];
  const parts = [el("p", { class: `verdict ${mood}` }, verdict), el("p", {}, found.explanation.says)];
  if (found.entry) {
    parts.push(el("blockquote", {}, found.entry.answer), el("p", {}, el("button", { type: "button", on: { click: () => open(found.entry.id) } }, "Open this answer")));
  } else if (!hasKey) {
    parts.push(el("p", { class: "hint" }, "Asked without a caller’s key: only FAQ answers and those of shared namespaces can be found, for all others belong to the key they were asked with."));
  }
  if (found.outcome !== "hit") parts.push(...sending(found));
  if (found.explanation.candidates.length) parts.push(el("h4", {}, "What was weighed"), weighed(found.explanation.candidates));
  return parts;
}

function sending(found) {
  const parts = [];
  if (found.route) parts.push(el("p", { class: "quiet" }, `Route: ${found.route.says}`));
  if (found.breaks_prefix) parts.push(el("p", { class: "bad" }, found.breaks_prefix));
  if (found.ways?.length > 1) {
    const rows = found.ways.map((each) => ({ cells: [each.name, usd(each.cost_usd, 6), usd(each.course_usd, 6), each.because] }));
    const columns = [{ name: "Way to send it" }, { name: "prompt", n: true }, { name: "with the turns expected", n: true }, { name: "because", text: true }];
    parts.push(table({ caption: "Ways to send it, the one taken first", columns, rows }));
  }
  return parts;
}

function weighed(candidates) {
  const rows = candidates.map((each) => {
    const evidence = each.contributions.slice(0, WEIGHTIEST).map((one) => el("li", {}, one.says));
    const why = evidence.length ? el("details", {}, el("summary", {}, each.says), el("ul", { class: "evidence" }, evidence)) : each.says;
    return { cells: [each.wording ?? each.entry, each.similarity.toFixed(3), share(each.confidence, 2), why] };
  });
  const columns = [{ name: "Stored question", text: true }, { name: "similarity", n: true }, { name: "right", n: true }, { name: "verdict", text: true }];
  return table({ caption: "What was weighed", columns, rows });
}
