"""The Grafana dashboard and the alert rules fit what a running service really exports."""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families
from worlds import RESET, REWORDED, World, question_body, until, world_maker

from semcache.cli import main

# Not on the dashboard, each for a reason.
LEFT_OUT = {
    "semcache_prefix_breakers": "for whoever writes prompts: `semcache doctor` says what they are",
    "semcache_scopes": "grows with callers and conversations; says little by itself",
    "semcache_processes": "a worker that dies is replaced within a second; the log says so",
    "process_virtual_memory_bytes": "mapped, not used",
    "process_start_time_seconds": "a restart shows in the counters",
    "process_open_fds": "for whoever suspects a leak",
    "process_max_fds": "for whoever suspects a leak",
}
_NAME = re.compile(r"\b(?:semcache|process)_[a-z0-9_]+")
_LABEL = re.compile(r'([a-z_]+)\s*(?:=~|!~|!=|=)\s*"')
_FROM_PROMETHEUS = {"job", "instance", "le"}

Scrape = dict[str, set[str]]  # sample → names of its labels


@pytest.fixture(scope="module")
def scrape(tmp_path_factory: pytest.TempPathFactory) -> Scrape:
    """Of a service that has had a little of everything."""
    with world_maker(tmp_path_factory.mktemp("scraped")) as make:
        world = make(audits=True, usd_per_day=100.0)
        _busy(world)
        text = world.http("GET", "/metrics").text
    samples: Scrape = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples.setdefault(sample.name, set()).update(sample.labels)
    return samples


def _busy(world: World) -> None:
    faq = 'question,answer\n"Which plans are there?","Free and Team."\n'
    world.http("POST", "/semcache/v1/import?format=csv", content=faq.encode())
    for question in (RESET, RESET, REWORDED, "Which plans are there?"):
        world.ask(question)
    world.ask(RESET, headers={"x-semcache-mode": "off"})
    world.ask("Extract the invoice number: Invoice 4711.", model="auto")
    world.ask("Fail.", headers={"x-simulator-fault": "529"})
    world.http("GET", "/v1/models")
    waiting = {"custom_id": "one", "params": question_body("What can wait?")}
    world.http("POST", "/v1/messages/batches", json={"requests": [waiting]})
    until(lambda: world.metric('semcache_queue_depth{queue="lessons"}') == 0)


def expressions(kind: str) -> dict[str, str]:
    """Every PromQL expression by where it stands, as the command prints them."""
    printed = CliRunner().invoke(main, ["metrics", kind])
    assert printed.exit_code == 0
    if kind == "rules":
        rules = [rule for group in yaml.safe_load(printed.output)["groups"] for rule in group["rules"]]
        return {rule["alert"]: rule["expr"] for rule in rules}
    board = json.loads(printed.output)
    found = {f"{panel['title']} {each['refId']}": each["expr"] for panel in board["panels"] for each in _targets(panel)}
    found |= {note["name"]: note["expr"] for note in board["annotations"]["list"]}
    variables = [each for each in board["templating"]["list"] if each["type"] == "query"]
    return found | {each["name"]: each["query"]["query"] for each in variables}


def _targets(panel: dict[str, Any]) -> list[dict[str, Any]]:
    targets: list[dict[str, Any]] = panel.get("targets", [])
    return targets


@pytest.mark.parametrize("kind", ["grafana", "rules"])
def test_every_metric_and_label_that_is_asked_for_is_exported(scrape: Scrape, kind: str) -> None:
    asked = expressions(kind)
    assert len(asked) > 10
    for where, expression in asked.items():
        named = set(_NAME.findall(expression))
        assert named, where
        assert named <= scrape.keys(), f"{where}: {sorted(named - scrape.keys())}"
        labels = set().union(*(scrape[name] for name in named)) | _FROM_PROMETHEUS
        assert set(_LABEL.findall(expression)) <= labels, where
        grouped = {label.strip() for found in re.findall(r"\bby \(([^)]*)\)", expression) for label in found.split(",")}
        assert grouped <= labels, where


def test_every_metric_that_is_exported_is_on_the_dashboard_or_left_out_on_purpose(scrape: Scrape) -> None:
    shown = {_family(name) for expression in expressions("grafana").values() for name in _NAME.findall(expression)}
    exported = {_family(name) for name in scrape}
    assert exported - shown == set(LEFT_OUT)
    assert not shown & set(LEFT_OUT)


def _family(sample: str) -> str:
    return re.sub(r"_(bucket|sum|count)$", "", sample) if "seconds" in sample else sample


def test_every_metric_of_ours_is_in_the_manual(scrape: Scrape) -> None:
    manual = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")
    names = {_family(name) for name in scrape if name.startswith("semcache_")}
    assert not [name for name in sorted(names) if f"`{name}`" not in manual]


def test_the_rules_alert_to_what_an_operator_must_know() -> None:
    needed = "Degraded CertificateAboveBudget ExactOnly UpstreamErrors SpendingAtLimit QueueBackingUp"
    assert {f"Semcache{each}" for each in needed.split()} <= set(expressions("rules"))


def test_panels_have_titles_words_and_places_that_do_not_overlap() -> None:
    board = json.loads(CliRunner().invoke(main, ["metrics", "grafana"]).output)
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        x, y, width, height = (panel["gridPos"][name] for name in "xywh")
        cells = set(product(range(x, x + width), range(y, y + height)))
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["title"]
        assert panel["type"] == "row" or panel["description"].endswith(".")
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
