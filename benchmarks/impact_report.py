"""The combined impact as a table, as Markdown, as a plot and as a page."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from impact_page import impact_page, plus_minus
from impact_runs import BATCH, BUDGETS, CACHING, COMPRESSION, OPTIMISATION, RESPONSES, ROUTING, STEPS, TIERING
from impact_world import ERAS

BASE_USD = 25_000  # a month, unassisted
SAVED_BAR, MOST_WRONG = 0.81, 0.01
CLAIMED = dict(zip(STEPS, (0.40, 0.30, 0.15, 0.20, 0.15, 0.10, 0.10, 0.05), strict=True))  # of the remainder
_NAME = "combined_impact"

# What the claim takes for granted, and this application, or this product, does not give.
WHY = {
    TIERING: "The claim is reached where the kinds of work that a small model does well are a good part of the bill.",
    CACHING: "The claim is reached where prompts are long and shared, and come again within minutes.",
    BUDGETS: "Claude does not see max_tokens, so a limit shortens no answer that ends by itself; it can end runaways, "
    "and this application has none. What asking for brevity saves (`conciseness`) depends on Claude and cannot be "
    "simulated, so it is left out. Trimming of references gives way to the prompt cache, which reads them whole for a "
    "twentieth of the price.",
    BATCH: "Only the jobs of the night can wait: 6 % of the requests, and after tiering under 1 % of the bill. Half of "
    "little is little. The claim of 20 % of the remainder would need two fifths of the remaining bill to wait.",
    RESPONSES: "An empty cache at the start, an error budget of 1 %, and audits: of the first fifty similar hits all "
    "are asked again and paid for, which in so short a slice eats much of what they save. What is left of a hit is "
    "cheap besides: a question's prompt is by then read from the prompt cache on a middle model, its answer is short.",
    COMPRESSION: "Conversations of 3 to 12 turns, a minute apart, are read from the prompt cache at a twentieth of the "
    "price; shortening them would write them anew. The planner compares both and seldom shortens.",
    ROUTING: "The claim is reached where FAQ answers and simple questions are many.",
    OPTIMISATION: "After prompt caching a system prompt is read at a twentieth of its price, so shortening it saves a "
    "twentieth; a version that would fall below the 512 tokens that Claude caches is not sent, for it would be dearer; "
    "one conversation in twenty keeps the original as control; and what stands behind a version is a new prefix: in so "
    "short a slice references were read from the prompt cache less often than behind the original.",
}
QUALITY = (
    "What a cheaper model would have answered, nobody recorded: it is taken to have answered alike, in as many tokens. "
    "Where it is recorded (MMLU, `tiering.py`), routing loses 2.5 points of the questions against always the strong "
    "model; of tasks that are named, nothing is recorded, and the certificate bounds the loss on your own traffic.",
    "Cached answers are judged by known truth: every question of the help desk has one right answer.",
)


def table(results: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """For the terminal."""
    rows: list[tuple[str, ...]] = [("strategy added", "of the remainder", "claimed", "bill a month, $")]
    for name, row in results["figures"].items():
        if "left" in row:
            claimed, saved = _percent(row, "claimed_of_remainder"), _percent(row, "of_remainder")
            rows.append((name, saved, claimed, f"{BASE_USD * row['left']:,.0f}"))
        elif "saved" in row:
            rows.append((name, f"{row['saved']:.1%}", "81.0%" if name.endswith("in all") else "", ""))
        else:
            rows.append((name, f"{row['share']:.1%} ± {plus_minus(row)}", "", ""))
    return rows


def short_of_claim(results: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The strategies that save less of the remainder than is claimed, at any prices, and why."""
    for step in STEPS:
        rows = [results["figures"][f"{era}: {step}"] for era in ERAS]
        if any(row["of_remainder"] < row["claimed_of_remainder"] for row in rows):
            yield step, WHY[step]


def write_results(results: Mapping[str, Any], folder: Path) -> None:
    """JSON, Markdown, plot and page, side by side."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{_NAME}.json").write_text(f"{json.dumps(results, indent=1)}\n", "utf-8")
    (folder / f"{_NAME}.md").write_text(markdown(results), "utf-8")
    _plot(results, folder / f"{_NAME}.svg")
    (folder / f"{_NAME}.html").write_text(
        impact_page(results, base_usd=BASE_USD, claimed=CLAIMED, short=list(short_of_claim(results)), quality=QUALITY),
        "utf-8",
    )


def markdown(results: Mapping[str, Any]) -> str:
    """The tables, the bars, and what falls short."""
    figures, measured = results["figures"], results["measured"]
    text = [f"# Combined impact\n\n`{measured['command']}`, {measured['at']}, at {measured['commit']}.\n"]
    for era in ERAS:
        lines = [
            "| strategy added | of the remainder | claimed | of the whole | bill a month, $ |",
            "|---|---|---|---|---|",
        ]
        lines.append(f"| unassisted | | | | {BASE_USD:,} |")
        for step in STEPS:
            row = figures[f"{era}: {step}"]
            cells = (_percent(row, "of_remainder"), _percent(row, "claimed_of_remainder"), _percent(row, "of_base"))
            lines.append(f"| {step} | {' | '.join(cells)} | {BASE_USD * row['left']:,.0f} |")
        last = figures[f"{era}: in all"]
        lines.append(f"| **in all** | | 81.0% | **{last['saved']:.1%}** | {BASE_USD * (1 - last['saved']):,.0f} |")
        text.append(f"## {era.capitalize()}\n\n" + "\n".join(lines) + f"\n\n{_answers(last)}\n")
    text.append("## Another application, another baseline\n\n" + "\n".join(_variant_lines(figures)) + "\n")
    text.append(
        "## In other orders\n\nShapley shares, of the unassisted bill.\n\n" + "\n".join(_shapley(figures)) + "\n"
    )
    text.append("## Where a share falls short of its claim\n")
    text += [f"- **{step}**: {why}" for step, why in short_of_claim(results)]
    text.append("\n## Quality\n")
    return "\n".join([*text, *(f"- {line}" for line in QUALITY)]) + "\n"


def _answers(last: Mapping[str, Any]) -> str:
    low, high = last["wrong_of_requests_interval"]
    least, most = last["wrong_of_judged_hits_interval"]
    return (
        f"{last['hit_rate']:.1%} of all requests were answered from memory, {last['wrong_of_requests']:.2%} of all "
        f"requests wrongly ({low:.2%} to {high:.2%}); of the similar hits {last['wrong_of_judged_hits']:.1%} "
        f"({least:.1%} to {most:.1%})."
    )


def _variant_lines(figures: Mapping[str, Any]) -> Iterator[str]:
    yield "| variant | unassisted, $ a request | saved in all | from memory | wrong, of requests |"
    yield "|---|---|---|---|---|"
    for name, row in figures.items():
        if name.startswith("variant: "):
            shares = " | ".join(f"{row[each]:.1%}" for each in ("saved", "hit_rate", "wrong_of_requests"))
            yield f"| {name.removeprefix('variant: ')} | {row['usd_per_request']:.4f} | {shares} |"


def _shapley(figures: Mapping[str, Any]) -> Iterator[str]:
    if not any(name.startswith("Shapley: ") for name in figures):
        yield "Not measured in this run: `--orders N` does."
        return
    yield "| strategy | share | ± |"
    yield "|---|---|---|"
    for name, row in figures.items():
        if name.startswith("Shapley: "):
            yield f"| {name.removeprefix('Shapley: ')} | {row['share']:.1%} | {plus_minus(row)} |"


def _percent(row: Mapping[str, Any], name: str) -> str:
    return f"{row[name]:.1%}" if name in row else ""


def _plot(results: Mapping[str, Any], file: Path) -> None:
    """The bill after each strategy, beside what the claims come to."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = _NAME
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8.5, 4.8))
    names = ["unassisted", *STEPS]
    for era, shift in zip(ERAS, (-0.2, 0.2), strict=True):
        left = [BASE_USD * results["figures"][f"{era}: {name}"]["left"] for name in names]
        drawn = axes.bar([place + shift for place in range(len(names))], left, 0.38, label=era)
        axes.bar_label(drawn, [f"{dollars / 1000:.1f}" for dollars in left], fontsize=7, padding=1)
    claimed = itertools.accumulate(CLAIMED.values(), lambda left, share: left * (1 - share), initial=float(BASE_USD))
    axes.plot(range(len(names)), list(claimed), "k.--", linewidth=1, label="as claimed")
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_ylabel("thousand dollars a month")
    axes.yaxis.set_major_formatter(lambda dollars, _: f"{dollars / 1000:.0f}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)
