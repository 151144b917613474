// What is proved of similar hits, recent decisions and batches.

import { count, el, figures, share, show, table, usd, when } from "./dom.js";

export function showProof(quality) {
  const overall = quality.overall;
  const certificate = overall.since_start;
  show("certificate", ...overall.says.map((sentence) => el("p", {}, sentence)));
  show("proof", ...figures([
    ["Wrong among similar hits, at most", share(certificate.upper_bound, 2)],
    ["Similar hits", count(certificate.similar_hits)],
    ["Audited", count(certificate.audits)],
    ["Tolerated of all requests", share(overall.error_budget, 2)],
    ["Caution", overall.caution, overall.caution === "calm" ? "good" : "wrong"],
  ]));
}

export function showDecisions(decisions) {
  const columns = [{ name: "when" }, { name: "namespace" }, { name: "outcome" }, { name: "why", text: true }, { name: "model" }, { name: "ms", n: true }, { name: "paid", n: true }, { name: "saved", n: true }];
  const rows = decisions.slice(0, 50).map((each) => [
    new Date(1000 * each.at).toLocaleTimeString(), each.namespace, each.outcome, each.why, each.model,
    each.ms.toFixed(1), each.cost_usd === null ? "" : usd(each.cost_usd), each.saved_usd === null ? "" : usd(each.saved_usd),
  ]);
  show("decision-table", table("Recent decisions", columns, rows));
}

export function showBatches(batches) {
  const columns = [{ name: "batch" }, { name: "accepted" }, { name: "status" }, { name: "requests", n: true }, { name: "done", n: true }, { name: "" }];
  const rows = batches.map((each) => {
    const done = each.total - each.request_counts.processing;
    const bar = el("div", { class: "bar good", width: `${each.total ? (100 * done) / each.total : 100}%` });
    return [each.id, when(each.accepted_at), each.status, count(each.total), count(done), el("div", { class: "track", "aria-hidden": "true" }, bar)];
  });
  show("batch-table", table("Batches under way", columns, rows));
}

export function showLookup(found) {
  const verdict = found.outcome === "hit" ? "It would be answered from memory." : "It would be sent to Claude.";
  const parts = [el("p", {}, el("strong", {}, verdict), ` ${found.explanation.says}`)];
  if (found.outcome !== "hit" && found.route) parts.push(el("p", { class: "quiet" }, found.route.says));
  if (found.breaks_prefix) parts.push(el("p", { class: "wrong" }, found.breaks_prefix));
  const columns = [{ name: "stored question", text: true }, { name: "similarity", n: true }, { name: "sure", n: true }, { name: "verdict", text: true }];
  const rows = found.explanation.candidates.map((each) => [
    each.wording ?? each.entry, each.similarity.toFixed(3), share(each.confidence), each.says,
  ]);
  if (rows.length) parts.push(el("div", { class: "scroll" }, table("What was weighed", columns, rows)));
  show("lookup-result", ...parts);
}
