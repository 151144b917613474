// From the bill as it came, strategy by strategy, to what was paid; what could be saved besides; and what may be spent
// today.

import { bar, el, show, table } from "./dom.js";
import { count, digitsFor, share, UNKNOWN, usd } from "./format.js";

export function showWaterfall(savings) {
  const whole = Number(savings.baseline_usd);
  const digits = digitsFor(whole, savings.cost_usd);
  const scale = Math.max(whole, Number(savings.cost_usd)) || 1;
  const line = (mood, name, amount, left, saved) => ({
    mood,
    cells: [name, bar(Math.abs(amount) / scale, mood, { offset: saved === null ? 0 : Math.min(left, left + saved) / scale }), saved === null ? "" : usd(saved, digits), saved === null || !whole ? "" : share(saved / whole), usd(left, digits)],
  });
  const steps = [
    ...savings.waterfall.map((each) => [each.name, Number(each.saved_usd), Number(each.remaining_usd)]),
    ...savings.caused.map((each) => [each.name, -Number(each.cost_usd), Number(each.remaining_usd)]),
  ];
  const rows = [
    line("total before", "As it came", whole, whole, null),
    ...steps.map(([name, saved, left]) => line(saved >= 0 ? "gain" : "loss", name, saved, left, saved)),
    line("total paid", "Paid", Number(savings.cost_usd), Number(savings.cost_usd), null),
  ];
  const columns = [{ name: "Strategy" }, { hint: "Bar", wide: true }, { name: "saved", n: true }, { name: "of the bill", n: true, wide: true }, { name: "bill after", n: true }];
  show("waterfall", savings.requests ? table({ caption: "Savings by strategy", columns, rows }) : el("p", { class: "empty" }, "Nothing was asked in this period."));
  show("projection", projected(savings.projection));
}

function projected(projection) {
  if (!projection) return "A month is projected once an hour has been observed.";
  const [saved, paid] = [projection.saved_usd_per_month, projection.cost_usd_per_month].map((each) => usd(each, 2));
  return `A month like this: ${saved} saved, ${paid} paid (${projection.assumption}).`;
}

export function showBreakers(breakers) {
  const told = breakers.map((each) => el("li", {}, el("b", {}, `${each.namespace}: `), each.says));
  show("breakers", told.length ? [el("h4", {}, "What keeps prompts out of the prompt cache"), el("ul", { class: "says" }, told)] : null);
}

// Answers that were asked to be brief, beside those that were not.
export function showBrevity(brevity) {
  const tokens = (mean, of) => (of ? count(Math.round(mean)) : UNKNOWN);
  const rows = brevity.map((each) => ({
    cells: [
      each.kind, count(each.hinted), tokens(each.mean_hinted, each.hinted), count(each.control), tokens(each.mean_control, each.control),
      each.share === null ? "not proven" : share(each.share),
    ],
  }));
  const columns = [
    { name: "Asked to be brief" }, { name: "answers", n: true, wide: true }, { name: "tokens each", n: true }, { name: "not asked", n: true, wide: true },
    { name: "tokens each", n: true }, { name: "saved", n: true },
  ];
  show("brevity", rows.length ? table({ caption: "Shorter answers", columns, rows }) : null);
}

export function showLimits(today) {
  const rows = Object.entries(today).map(([account, { usd: dollars, tokens, limit, used_share: used }]) => {
    const mood = used >= 1 ? "loss" : used >= 0.8 ? "near" : "gain";
    const spent = [
      limit.usd_per_day !== null && `${usd(dollars, 2)} of ${usd(limit.usd_per_day, 2)}`,
      limit.tokens_per_day !== null && `${count(tokens)} of ${count(limit.tokens_per_day)} tokens`,
    ].filter(Boolean);
    return { cells: [account, bar(used, mood, { track: true }), spent.join(", "), share(used, 0)] };
  });
  const columns = [{ name: "Account" }, { hint: "Bar", wide: true }, { name: "spent today", n: true }, { name: "used", n: true }];
  show("limits", table({ caption: "Spending limits", columns, rows, empty: "No limit is set. SEMCACHE_USD_PER_DAY, SEMCACHE_TOKENS_PER_DAY and their like for credentials and namespaces refuse misses once a day’s share is spent; hits are always served." }));
}
