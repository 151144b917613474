// How things stand: the hit rate as it lives, the bill, and how long people wait.

import { bar, byId, el, show, table } from "./dom.js";
import { clock, count, digitsFor, duration, plural, share, UNKNOWN, usd } from "./format.js";

const OUTCOMES = [
  ["exact", "exact repeat"], ["semantic", "similar"], ["faq", "FAQ"],
  ["coalesced", "shared with one under way"], ["miss", "sent on"], ["bypass", "not looked up"],
];
const FROM_MEMORY = ["exact", "semantic", "faq"];
const STRIP = 120;

const of = (savings, names) => savings.outcomes.filter((each) => names.includes(each.outcome)).reduce((sum, each) => sum + each.requests, 0);

export function showHits(savings, decisions, period) {
  const hits = of(savings, FROM_MEMORY);
  const asked = of(savings, OUTCOMES.map(([name]) => name));
  const latest = decisions.slice(0, STRIP);
  const live = latest.filter((each) => each.from_memory).length;
  show("hit-rate", asked ? share(hits / asked) : UNKNOWN);
  show("hit-rate-of", asked ? `${count(hits)} of ${plural(asked, "request")}, ${period}` : `no requests, ${period}`);
  const ticks = latest.toReversed().map((each) => el("i", { class: each.outcome, title: `${clock(each.at)} ${each.outcome}, ${duration(each.ms)}` }));
  show("strip", ticks);
  const kinds = OUTCOMES.map(([name, said]) => [name, said, latest.filter((each) => each.outcome === name).length]);
  show("strip-legend", kinds.filter(([, , number]) => number).map(([name, said, number]) => el("li", {}, el("i", { class: name, "aria-hidden": "true" }), `${said} `, el("b", {}, count(number)))));
  show("live", latest.length ? `Live: ${share(live / latest.length, 0)} of the latest ${count(latest.length)}` : "Live: waiting for the first request.");
}

export function showBill(savings) {
  const [baseline, cost, saved] = [savings.baseline_usd, savings.cost_usd, savings.saved_usd].map(Number);
  const digits = digitsFor(baseline, cost);
  const isGain = saved >= 0;
  byId("saved").className = `figure ${isGain ? "good" : "bad"}`;
  show("saved", usd(saved, digits));
  show("saved-of", baseline ? `${share(savings.saved_share)} of the bill as it came` : "nothing was billed");
  show("bill-bar", bar(baseline ? cost / Math.max(baseline, cost) : 0, "paid"));
  show("bill-parts", [
    ["As it came", usd(baseline, digits)], ["Paid", usd(cost, digits)],
    ["Input tokens", count(savings.input_tokens)], ["Output tokens", count(savings.output_tokens)],
  ].map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

export function showLatency(decisions) {
  const kinds = [
    ["Exact repeats", (each) => each.outcome === "exact"], ["Similar", (each) => each.outcome === "semantic"],
    ["FAQ", (each) => each.outcome === "faq"], ["From Claude", (each) => !each.from_memory],
  ];
  const rows = kinds.map(([name, isMeant]) => [name, decisions.filter(isMeant).map((each) => each.ms).sort((one, other) => one - other)])
    .filter(([, times]) => times.length)
    .map(([name, times]) => ({ cells: [name, duration(quantile(times, 0.5)), duration(quantile(times, 0.95)), count(times.length)] }));
  const columns = [{ name: "Answered", id: true }, { name: "median", n: true }, { name: "95 %", n: true }, { name: "of", n: true }];
  show("latency", table({ caption: "Latency of the latest requests", columns, rows, empty: "Nothing was asked since the service started." }));
}

// The smallest time that this share of requests did not exceed; null of none.
function quantile(sorted, part) {
  return sorted.length ? sorted[Math.ceil(part * sorted.length) - 1] : null;
}
