// Joins the parts of the page: what is shown is asked for again every few seconds while somebody looks.

import { ask, query, readiness, Refused } from "./api.js";
import { load, openEntries } from "./entries.js";
import { drawCosts, showCosts, showFigures, showLimits, showWaterfall } from "./money.js";
import { showBatches, showDecisions, showLookup, showProof } from "./proof.js";

const SECONDS = 5;
const scope = document.forms.scope;
const state = document.getElementById("state");

function say(text, isBad = false) {
  state.textContent = text;
  state.classList.toggle("bad", isBad);
}

async function refresh() {
  const length = Number(scope.since.value);
  const since = length ? Date.now() / 1000 - length : "";
  const chosen = { since, namespace: scope.namespace.value };
  const by = length && length <= 604800 ? "hour" : "day";
  const [ready, savings, quality, { decisions }, { batches }] = await Promise.all([
    readiness(), ask(`/savings${query({ ...chosen, by })}`), ask(`/quality${query({ namespace: chosen.namespace })}`),
    ask("/decisions?limit=500"), ask("/batches"),
  ]);
  const own = chosen.namespace ? decisions.filter((each) => each.namespace === chosen.namespace) : decisions;
  showFigures(savings, own);
  showCosts(savings.groups);
  showWaterfall(savings);
  showLimits(savings.limited_today);
  showProof(quality);
  showDecisions(own);
  showBatches(batches);
  const upstream = ready.upstream === "simulator" ? "answers come from the simulator, not from Claude" : `upstream: ${ready.upstream}`;
  say(ready.status === "ok" ? `Running; ${upstream}` : `The cache is off: ${ready.reason}`, ready.status !== "ok");
}

let underWay = false;

async function tick() {
  if (underWay || document.hidden) return;
  underWay = true;
  try {
    await refresh();
  } catch (error) {
    if (error instanceof Refused) say(error.message, true);
    else if (error instanceof TypeError) say("The service cannot be reached.", true);
    else throw error;
  } finally {
    underWay = false;
  }
}

function openTheme() {
  const button = document.getElementById("theme");
  const set = (isDark) => {
    document.documentElement.dataset.theme = isDark ? "dark" : "light";
    button.setAttribute("aria-pressed", String(isDark));
    button.textContent = isDark ? "Light" : "Dark";
    drawCosts();
  };
  const kept = localStorage.getItem("semcache-theme");
  set(kept ? kept === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  button.addEventListener("click", () => {
    const isDark = document.documentElement.dataset.theme !== "dark";
    localStorage.setItem("semcache-theme", isDark ? "dark" : "light");
    set(isDark);
  });
}

document.getElementById("lookup-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const asked = Object.fromEntries(new FormData(event.target));
  try {
    showLookup(await ask("/lookup", { method: "POST", body: asked, namespace: scope.namespace.value }));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    say(error.message, true);
  }
});
scope.addEventListener("change", () => { tick(); load(null); });
scope.addEventListener("submit", (event) => event.preventDefault());
addEventListener("resize", drawCosts);

openTheme();
openEntries(say);
await tick();
load(null);
setInterval(tick, 1000 * SECONDS);
