// Joins the parts of the page: what is shown is asked for again every few seconds while somebody looks.

import { ask, Gone, Locked, query, readiness, Refused, unlock } from "./api.js";
import { showCosts } from "./costs.js";
import { showBatches, showDecisions } from "./decisions.js";
import { byId, el, problem, say, show } from "./dom.js";
import { conditions, loadTop, openEntries, reload, search, showStats } from "./entries.js";
import { openEntry, openWriting } from "./entry.js";
import { clock } from "./format.js";
import { openLookup } from "./lookup.js";
import { showBill, showHits, showLatency } from "./overview.js";
import { showAudits, showProof } from "./proof.js";
import { openPurge } from "./purge.js";
import { showBreakers, showBrevity, showLimits, showWaterfall } from "./waterfall.js";

const SECONDS = 5;
const SLOW_EVERY = 6; // what asks the store to look at every entry
const LATEST = 200;
const WEEK = 604800;

const scope = byId("scope");
const namespaceOf = () => scope.elements.namespace.value.trim();
let decisions = [];
let ticks = 0;
let underWay = null;
let reachedAt = Date.now() / 1000;

function chosen() {
  const length = Number(scope.elements.since.value);
  const by = !length || length > WEEK ? "day" : length > 3600 ? "hour" : "minute";
  return { since: length ? Math.floor(Date.now() / 1000 - length) : "", by, period: scope.elements.since.selectedOptions[0].textContent };
}

// Each part of the page and what it shows; a part that the service refuses says so in its own place.
function parts({ since, by, period }) {
  const namespace = namespaceOf();
  return [
    [ask(`/decisions${query({ limit: LATEST })}`), ["decision-table", "latency"], (found) => {
      decisions = namespace ? found.decisions.filter((each) => each.namespace === namespace) : found.decisions;
      showDecisions(decisions, open);
      showLatency(decisions);
    }],
    [ask(`/savings${query({ since, namespace, by })}`), ["waterfall", "cost-table", "limits"], (savings) => {
      showHits(savings, decisions, period);
      showBill(savings);
      showCosts(savings, by, since);
      showWaterfall(savings);
      showBreakers(savings.breaks_prefix);
      showBrevity(savings.brevity);
      showLimits(savings.limited_today);
    }],
    [ask(`/quality${query({ namespace })}`), ["proof"], showProof],
    [ask(`/audits${query({ namespace, limit: 20 })}`), ["audits"], ({ audits }) => showAudits(audits, open)],
    [ask("/batches"), ["batch-table"], ({ batches, own_jobs: ownJobs }) => showBatches(batches, ownJobs)],
    ...(ticks % SLOW_EVERY ? [] : [[ask("/stats"), ["held"], showStats], [loadTop(), ["top"], () => {}]]),
  ];
}

async function refresh() {
  const ready = await readiness();
  const asked = parts(chosen());
  const answers = await Promise.allSettled(asked.map(([answer]) => answer));
  const reasons = answers.map((each) => each.reason).filter(Boolean);
  const grave = reasons.find((each) => !(each instanceof Refused) || each instanceof Locked);
  if (grave) throw grave;
  answers.forEach((answer, at) => {
    const [, places, paint] = asked[at];
    if (answer.status === "fulfilled") paint(answer.value);
    else places.forEach((place) => show(place, problem(answer.reason)));
  });
  ticks += 1;
  reachedAt = Date.now() / 1000;
  tell(ready);
}

function tell(ready) {
  const isSimulated = ready.upstream === "simulator";
  const isWell = ready.status === "ok";
  byId("state").dataset.mood = isWell ? "good" : "bad";
  say("state", isWell ? `Running${isSimulated ? ", in front of the simulator" : ""}` : "Running without its cache");
  trouble(isWell ? null : `The cache is off: ${ready.reason}. Every request goes to Claude until it is mended.`);
}

function trouble(text, ...acts) {
  byId("trouble").hidden = text === null;
  if (text !== null && byId("trouble-text").textContent !== text) show("trouble-text", text);
  show("trouble-acts", ...acts);
}

function lament(error) {
  byId("state").dataset.mood = "bad";
  if (error instanceof Locked) {
    say("state", "Locked");
    const enter = el("button", { type: "button", data: { key: "enter" }, on: { click: () => { unlock(); again().then(search); } } }, "Enter the admin key");
    return trouble("The service asks for the admin key before it shows anything.", enter);
  }
  say("state", error instanceof Gone ? "Out of reach" : "Refused");
  return trouble(error instanceof Gone ? `The service cannot be reached. What you see is from ${clock(reachedAt)}; this page goes on trying.` : error.message);
}

// One round at a time: who asks meanwhile waits for the one under way.
function tick() {
  underWay ??= refresh().catch((error) => {
    if (error instanceof Refused || error instanceof Gone) return lament(error);
    throw error;
  }).finally(() => { underWay = null; });
  return underWay;
}

async function again() {
  await underWay;
  ticks = 0;
  await tick();
}

const open = (id) => openEntry(id, changed);
const changed = () => Promise.all([reload(), again()]);

scope.addEventListener("submit", (event) => event.preventDefault());
scope.addEventListener("change", () => { again(); search(); });
addEventListener("decisionfilter", () => showDecisions(decisions, open));
document.addEventListener("visibilitychange", () => { if (!document.hidden) tick(); });
openEntries(namespaceOf, open);
openLookup(namespaceOf, open);
openPurge(() => conditions(), changed);
openWriting(namespaceOf, changed);

await tick();
search();
setInterval(() => { if (!document.hidden) tick(); }, 1000 * SECONDS);
