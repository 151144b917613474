// What was saved: the figures, cost over time, the waterfall, the limits.

import uPlot from "./uplot.js";
import { count, el, figures, share, show, table, usd } from "./dom.js";

let chart = null;
let points = null;

export function showFigures(savings, decisions) {
  const of = (name) => savings.outcomes.find((each) => each.outcome === name)?.requests ?? 0;
  const hits = of("exact") + of("semantic") + of("faq");
  const asked = hits + of("miss") + of("coalesced") + of("bypass");
  show("figures", ...figures([
    ["Requests", count(asked)],
    ["Answered from memory", asked ? share(hits / asked) : "—"],
    ["As they came", usd(savings.baseline_usd)],
    ["Paid", usd(savings.cost_usd)],
    ["Saved", usd(savings.saved_usd), Number(savings.saved_usd) >= 0 ? "good" : "wrong"],
    ["Saved of the bill", share(savings.saved_share), Number(savings.saved_usd) >= 0 ? "good" : "wrong"],
    ["Half of the hits within", latency(decisions, (each) => each.from_memory)],
    ["Half of the rest within", latency(decisions, (each) => !each.from_memory)],
  ]));
}

function latency(decisions, chosen) {
  const times = decisions.filter(chosen).map((each) => each.ms).sort((one, other) => one - other);
  if (!times.length) return "—";
  const middle = times[Math.floor(times.length / 2)];
  return middle < 100 ? `${middle.toFixed(1)} ms` : `${(middle / 1000).toFixed(2)} s`;
}

export function showCosts(groups) {
  const rows = groups.map((each) => [each.key.replace("T", " ").replace("Z", ""), count(each.requests), usd(each.baseline_usd), usd(each.cost_usd), usd(each.saved_usd)]);
  const columns = [{ name: "when (UTC)" }, { name: "requests", n: true }, { name: "as they came", n: true }, { name: "paid", n: true }, { name: "saved", n: true }];
  show("cost-table", table("Cost over time", columns, rows));
  points = [
    groups.map((each) => Date.parse(each.key.length > 10 ? each.key : `${each.key}T00:00Z`) / 1000),
    groups.map((each) => Number(each.baseline_usd)),
    groups.map((each) => Number(each.cost_usd)),
  ];
  drawCosts();
}

export function drawCosts() {
  const place = document.getElementById("cost-chart");
  chart?.destroy();
  chart = null;
  if (!points || points[0].length === 0) {
    place.replaceChildren(el("p", { class: "quiet" }, "Nothing was asked in this period."));
    return;
  }
  place.replaceChildren();
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
  const money = (_, value) => (value === null || value === undefined ? "—" : usd(value));
  chart = new uPlot({
    width: Math.max(260, place.clientWidth),
    height: 240,
    scales: { x: { range: (_, low, high) => (high > low ? [low, high] : [low - 3600, high + 3600]) }, y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
    axes: [axis, { ...axis, size: 70, values: (_, ticks) => ticks.map((tick) => usd(tick)) }],
    series: [
      {},
      { label: "as they came", stroke: colour("--plain"), width: 2, dash: [6, 4], points: { show: points[0].length < 30 }, value: money },
      { label: "paid", stroke: colour("--good"), width: 2.5, fill: `${colour("--good")}22`, points: { show: points[0].length < 30 }, value: money },
    ],
  }, points, place);
  place.querySelector("table")?.setAttribute("aria-label", "Cost over time, legend");
}

export function showWaterfall(savings) {
  const whole = Number(savings.baseline_usd) || 1;
  const row = (name, usdText, amount, left, mood) => {
    const bar = el("div", { class: `bar ${mood}`, width: `${Math.max(0.5, 100 * Math.abs(amount) / whole)}%` });
    bar.style.marginLeft = `${Math.min(99, 100 * Math.max(0, left) / whole)}%`;
    return [name, usdText, share(amount / whole), el("div", { class: "track", "aria-hidden": "true" }, bar)];
  };
  const rows = [row("As it came", usd(savings.baseline_usd), whole, 0, "")];
  for (const part of savings.waterfall) rows.push(row(part.name, usd(-part.saved_usd), -part.saved_usd, Number(part.remaining_usd), Number(part.saved_usd) >= 0 ? "good" : "bad"));
  for (const part of savings.caused) rows.push(row(part.name, usd(part.cost_usd), Number(part.cost_usd), Number(part.remaining_usd) - Number(part.cost_usd), "bad"));
  rows.push(row("Paid", usd(savings.cost_usd), Number(savings.cost_usd), 0, ""));
  const columns = [{ name: "strategy" }, { name: "change", n: true }, { name: "of the bill", n: true }, { name: "" }];
  show("waterfall", table("Savings by strategy", columns, rows));
  const projected = savings.projection;
  show("projection", projected ? `A month: ${usd(projected.saved_usd_per_month)} saved, ${usd(projected.cost_usd_per_month)} paid (${projected.assumption}).` : "");
}

export function showLimits(today) {
  const rows = Object.entries(today ?? {}).map(([account, spent]) => [account, usd(spent.usd), count(spent.tokens)]);
  show("limits", table("Spending limits", [{ name: "account" }, { name: "spent today", n: true }, { name: "tokens today", n: true }], rows));
}
