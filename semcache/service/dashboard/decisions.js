// What became of the latest requests, and why; and the batches.

import { bar, byId, el, show, table } from "./dom.js";
import { clock, count, digitsFor, duration, plural, usd, when } from "./format.js";
import { opener } from "./proof.js";

const MOST_ROWS = 50;
const NAMES = { faq: "FAQ", semantic: "similar" };
const STATES = { inprogress: "in progress", canceling: "being cancelled", expiring: "expiring", batchended: "ended", archived: "ended, results gone" };
const WANTED = { all: () => true, memory: (each) => each.from_memory, sent: (each) => !each.from_memory };

export function showDecisions(decisions, open) {
  const wanted = document.forms["decision-filter"].show.value;
  const found = decisions.filter(WANTED[wanted]).slice(0, MOST_ROWS);
  const digits = Math.max(4, digitsFor(...found.flatMap((each) => [each.cost_usd ?? 0, each.saved_usd ?? 0])));
  const rows = found.map((each) => ({
    cells: [
      clock(each.at), el("span", { class: `kind ${each.outcome}` }, NAMES[each.outcome] ?? each.outcome), each.why || "–", each.namespace, each.model,
      duration(each.ms), usd(each.cost_usd, digits), usd(each.saved_usd, digits), opener(each.entry, open, `decision ${each.at} ${each.ms}`),
    ],
  }));
  const columns = [
    { name: "At" }, { name: "outcome" }, { name: "why", text: true }, { name: "namespace", wide: true }, { name: "model", id: true, wide: true },
    { name: "took", n: true }, { name: "paid", n: true, wide: true }, { name: "saved", n: true }, { hint: "Answer", id: true },
  ];
  const empty = decisions.length ? "None of the latest requests." : "Nothing was asked since the service started.";
  show("decision-table", table({ caption: "Recent decisions", columns, rows, empty }));
}

export function showBatches(batches, ownJobs) {
  const rows = batches.map((each) => {
    const counts = each.request_counts;
    const done = each.total - counts.processing;
    const lost = counts.errored + counts.canceled + counts.expired;
    const said = lost ? `${count(done)} of ${count(each.total)}, ${count(lost)} not answered` : `${count(done)} of ${count(each.total)}`;
    return { cells: [el("code", {}, each.id), when(each.accepted_at), STATES[each.status] ?? each.status, bar(each.total ? done / each.total : 1, lost ? "near" : "gain", { track: true }), said] };
  });
  const columns = [{ name: "Batch" }, { name: "accepted", wide: true }, { name: "status" }, { hint: "Progress", wide: true }, { name: "requests done", n: true }];
  show("batch-table", table({ caption: "Batches", columns, rows, empty: "No batches. Requests that can wait cost half: hand them in at /v1/messages/batches, or with semcache batch." }));
  show("own-jobs", ownJobs ? `${plural(ownJobs, "job", "jobs")} of our own ${ownJobs === 1 ? "waits" : "wait"} for a batch.` : null);
}

byId("decision-filter").addEventListener("change", () => dispatchEvent(new Event("decisionfilter")));
