// Cost over time: the bill as it came behind what was paid, a pair of bars for each minute, hour or day.

import uPlot from "./uplot.js";
import { byId, el, show, table } from "./dom.js";
import { count, day, digitsFor, hour, plural, usd, when } from "./format.js";

const SECONDS = { minute: 60, hour: 3600, day: 86400 };
const MOST_BARS = 800;
const HEIGHT = 280;
const NOTHING = { requests: 0, baseline_usd: "0", cost_usd: "0", saved_usd: "0" };

let chart = null;
let drawn = { by: null, groups: [] };

export function showCosts(savings, by, since) {
  const groups = filled(savings.groups, by, since);
  const isNew = drawn.by !== by || !chart;
  drawn = { by, groups };
  showTable(savings.groups, by);
  const isEmpty = !savings.groups.length;
  byId("cost-chart").hidden = isEmpty;
  byId("cost-empty").hidden = !isEmpty;
  if (isEmpty) return destroy();
  byId("cost-chart").setAttribute("aria-label", `Cost by ${by}: ${usd(savings.baseline_usd)} as it came, ${usd(savings.cost_usd)} paid. The table below has the figures.`);
  if (isNew) draw();
  else chart.setData(columns());
  return readOut(null);
}

export function draw() {
  if (!drawn.groups.length || byId("cost-chart").hidden) return;
  destroy();
  const place = byId("cost-chart");
  chart = new uPlot(options(place.clientWidth), columns(), place);
}

function destroy() {
  chart?.destroy();
  chart = null;
}

new ResizeObserver(() => chart?.setSize({ width: byId("cost-chart").clientWidth, height: HEIGHT })).observe(byId("cost-chart"));
addEventListener("themechange", draw);

const start = (key) => Date.parse(key.length > 10 ? key : `${key}T00:00Z`) / 1000;

// Every step of the period, those too in which nothing was asked.
function filled(groups, by, since) {
  if (!groups.length) return [];
  const step = SECONDS[by];
  const known = new Map(groups.map((each) => [start(each.key), each]));
  const last = Math.max(...known.keys(), Math.floor(Date.now() / 1000 / step) * step);
  const earliest = since ? Math.floor(since / step) * step : Math.min(...known.keys());
  const first = Math.max(earliest, last - step * (MOST_BARS - 1));
  const starts = Array.from({ length: Math.round((last - first) / step) + 1 }, (_, at) => first + at * step);
  return starts.map((at) => ({ ...NOTHING, ...known.get(at), at }));
}

const columns = () => [
  drawn.groups.map((each) => each.at + SECONDS[drawn.by] / 2),
  drawn.groups.map((each) => Number(each.baseline_usd)),
  drawn.groups.map((each) => Number(each.cost_usd)),
];

function options(width) {
  const soft = colour("--soft");
  const axis = { stroke: soft, font: "12px system-ui, sans-serif", ticks: { show: false } };
  const half = SECONDS[drawn.by] / 2;
  const paths = uPlot.paths.bars({ size: [0.74, 30], radius: [0.12, 0] });
  const named = (name) => ({ paths, fill: colour(name), stroke: colour(name), width: 0, points: { show: false } });
  return {
    width,
    height: HEIGHT,
    padding: [12, 18, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    tzDate: drawn.by === "day" ? (seconds) => uPlot.tzDate(new Date(1000 * seconds), "UTC") : undefined,
    scales: { x: { range: (_, low, high) => [low - half, high + half] }, y: { range: (_, low, high) => [0, high > 0 ? 1.08 * high : 1] } },
    axes: [
      { ...axis, grid: { show: false }, size: 30, space: 64, values: (_, ticks) => ticks.map(tickName) },
      { ...axis, grid: { stroke: colour("--line"), width: 1 }, size: 68, values: (_, ticks) => ticks.map((tick) => usd(tick, digitsOfSteps(ticks))) },
    ],
    series: [{}, named("--before"), named("--paid")],
    hooks: { setCursor: [(self) => readOut(self.cursor.idx)] },
  };
}

// As few digits as tell one tick from the next.
function digitsOfSteps(ticks) {
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : 1;
  return step >= 1 ? 0 : Math.min(8, Math.max(2, Math.ceil(-Math.log10(step) - 1e-9)));
}

function tickName(seconds) {
  if (drawn.by === "day") return day(seconds, "UTC");
  return new Date(1000 * seconds).getHours() === 0 && seconds % 3600 === 0 ? day(seconds) : hour(seconds);
}

function readOut(at) {
  const group = at === null || at === undefined ? null : drawn.groups[at];
  const each = drawn.by === "day" ? "day (UTC)" : drawn.by;
  if (!group) return show("cost-readout", `Each bar is one ${each}.`);
  const time = drawn.by === "day" ? day(group.at, "UTC") : when(group.at);
  return show("cost-readout", `${time}: ${plural(group.requests, "request")}, ${usd(group.baseline_usd)} as they came, ${usd(group.cost_usd)} paid`);
}

function showTable(groups, by) {
  const digits = digitsFor(...groups.map((each) => each.baseline_usd));
  const rows = groups.toReversed().map((each) => ({
    cells: [by === "day" ? day(start(each.key), "UTC") : when(start(each.key)), count(each.requests), usd(each.baseline_usd, digits), usd(each.cost_usd, digits), usd(each.saved_usd, digits)],
  }));
  const columns = [{ name: by === "day" ? "Day (UTC)" : "From" }, { name: "requests", n: true }, { name: "as they came", n: true }, { name: "paid", n: true }, { name: "saved", n: true }];
  show("cost-table", table({ caption: "Cost over time", columns, rows, empty: "Nothing was asked in this period." }));
}

// A colour of the page as canvas understands it.
function colour(name) {
  const probe = el("i", { style: { color: `var(${name})` } });
  document.body.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return resolved;
}
