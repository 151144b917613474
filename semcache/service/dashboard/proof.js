// What is proved of similar hits: the certificate, in figures and in words, and the audits it rests on.

import { byId, el, figures, show, table } from "./dom.js";
import { count, plural, share, UNKNOWN, usd, when } from "./format.js";

const VERDICTS = { same: "the same", different: "another answer", unjudged: "not judged" };

export function showProof(quality) {
  const overall = quality.overall;
  const certificate = overall.since_start;
  const isProved = certificate.upper_bound !== null && certificate.upper_bound < 1;
  byId("bound").className = `figure ${isProved ? "" : "soft"}`;
  show("bound", isProved ? `≤ ${share(certificate.upper_bound, certificate.upper_bound < 0.1 ? 2 : 1)}` : "Not yet");
  show("bound-of", isProved
    ? `of similar hits are wrong, with ${share(certificate.confidence, 0)} confidence, since the start`
    : certificate.audits ? "too few audits to prove anything" : certificate.similar_hits ? "similar hits were served, none is audited yet" : "no similar hit was served, so there is nothing to prove");
  show("proof", figures([
    ["Similar hits", count(certificate.similar_hits)],
    ["Audits", count(certificate.audits)],
    ["Found wrong", certificate.wrong === null ? UNKNOWN : certificate.wrong.toLocaleString("en-US", { maximumSignificantDigits: 3 })],
    ["Tolerated, of requests", share(overall.error_budget, 1)],
    ["Caution", overall.caution, overall.caution === "calm" ? "good" : "bad"],
  ]));
  show("says", overall.says.map((sentence) => el("li", {}, sentence)));
  byId("namespaces").replaceChildren(...quality.namespaces.map((each) => el("option", { value: each.namespace })));
}

export function showAudits(audits, open) {
  const rows = audits.map((each) => ({
    mood: each.verdict === "different" ? "loss" : "",
    cells: [when(each.at), each.namespace, VERDICTS[each.verdict] ?? each.verdict, share(each.confidence), usd(each.cost_usd, 6), opener(each.entry, open, `audit ${each.at}`)],
  }));
  const columns = [{ name: "When" }, { name: "namespace", wide: true }, { name: "Claude said" }, { name: "how sure", n: true }, { name: "cost", n: true, wide: true }, { hint: "Answer", id: true }];
  show("audits", table({ caption: "Latest audits", columns, rows, empty: "No audits yet. A share of similar hits is asked again upstream, and the two answers are compared." }));
  show("audits-count", audits.length ? `Latest audits (${plural(audits.length, "audit")})` : "Latest audits");
}

export function opener(id, open, key) {
  return id && el("button", { type: "button", class: "link", data: { key }, on: { click: () => open(id) } }, "answer");
}
