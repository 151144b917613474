"""The routing table: what ships, what the operator overrides, and what is wrong with what he wrote."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semcache.errors import ManifestError, SettingsError
from semcache.policy import RouteRule, RoutingPolicy, TaskPolicy
from semcache.pricing import PriceBook, find_claude_manifest
from semcache.strategies.routing.arms import Level, Load, expected_cost_usd, read_arm
from semcache.strategies.routing.table import find_routing_table, load_routing_table

BOOK = PriceBook.load(find_claude_manifest(None))
TODAY = date(2026, 11, 23)
HAIKU = BOOK.model("claude-haiku-5-5")


def table(**policy):
    return load_routing_table(find_routing_table(None), BOOK, RoutingPolicy(**policy))


def test_what_ships_climbs_from_small_to_large_and_every_arm_answers_today() -> None:
    shipped = table()
    arms = [*shipped.ladder, *(task.arm for task in shipped.tasks.values())]
    assert [arm.model.tier.value for arm in shipped.ladder] == ["small", "middle", "large"]
    assert all(arm.model.answers_on(TODAY) for arm in arms)
    assert set(shipped.tasks) == {"classification", "extraction", "summarisation", "analysis", "reasoning", "code"}


@pytest.mark.parametrize(
    ("gain", "level"), [(-0.1, Level.SIMPLE), (0.09, Level.SIMPLE), (0.15, Level.MODERATE), (0.3, Level.COMPLEX)]
)
def test_gain_decides_the_level(gain: float, level: Level) -> None:
    assert table().level_of(gain) is level


def test_settings_override_the_ladder_and_the_tasks() -> None:
    own = table(
        simple="claude-haiku-4-5",
        tasks={"code": TaskPolicy(arm="claude-opus-5-5@max"), "mail": TaskPolicy(arm="claude-haiku-5-5@low")},
    )
    assert own.ladder[Level.SIMPLE].model.id == "claude-haiku-4-5-20251001"
    assert str(own.tasks["code"].arm) == "claude-opus-5-5@max"
    assert own.tasks["code"].floor is Level.MODERATE
    assert str(own.tasks["mail"].arm) == "claude-haiku-5-5@low"


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        pytest.param({"simple": "claude-hiku-5-5"}, "routing.simple: .* did you mean claude-haiku-5-5", id="typo"),
        pytest.param({"simple": "claude-3-opus-20240229"}, "routing.simple: there is no model", id="retired"),
        pytest.param({"complex": "claude-mythos-5-2"}, "not open to every account", id="limited"),
        pytest.param(
            {"simple": "claude-haiku-5-5@huge"}, "takes low, medium, high, xhigh, max, not 'huge'", id="effort"
        ),
        pytest.param({"simple": "claude-haiku-4-5@low"}, "takes no effort", id="no effort"),
        pytest.param(
            {"tasks": {"mail": TaskPolicy()}}, "routing.tasks.mail: a task of your own needs an arm", id="task"
        ),
        pytest.param({"tasks": {"code": TaskPolicy(answer_pattern="(")}}, "not a regular expression", id="pattern"),
        pytest.param({"rules": (RouteRule(),)}, r"routing.rules\[1\]: say either task or arm", id="empty rule"),
        pytest.param({"rules": (RouteRule(task="poem"),)}, "there is no task 'poem'; known: analysis", id="no task"),
        pytest.param({"classifier": "claude"}, "routing.classifier", id="classifier"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(policy, problem) -> None:
    with pytest.raises(SettingsError, match=problem):
        table(**policy)


@pytest.mark.parametrize("text", ["", "schema_version = 2", "schema_version = 1\n[ladder]\nsimple = 3"])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "routing.toml"
    path.write_text(text)
    with pytest.raises(ManifestError, match="is no routing table"):
        load_routing_table(path, BOOK, RoutingPolicy())


def test_an_operators_own_file_is_found_first(tmp_path: Path) -> None:
    (tmp_path / "routing.toml").write_text("")
    assert find_routing_table(tmp_path) == tmp_path / "routing.toml"


def test_a_long_prompt_costs_its_own_price() -> None:
    below = expected_cost_usd(HAIKU, Load(76_000, 0), on=TODAY)
    above = expected_cost_usd(HAIKU, Load(78_000, 0), on=TODAY)
    assert above > 5 * below  # 100,000 of the model's own tokens lie between them


@given(prompt=st.integers(0, 70_000), output=st.integers(0, 10_000), share=st.floats(0, 1))
def test_what_is_warm_is_never_dearer_and_what_is_written_never_cheaper(prompt: int, output: int, share: float) -> None:
    load = Load(prompt, output)
    warm = Load(prompt, output, warm_tokens=int(prompt * share))
    written = Load(prompt, output, writes=True)
    costs = [expected_cost_usd(HAIKU, each, on=TODAY) for each in (warm, load, written)]
    assert costs == sorted(costs)
    assert all(cost >= Decimal(0) for cost in costs)


def test_an_arm_reads_as_it_is_written() -> None:
    for text in ("claude-haiku-5-5", "claude-opus-5-5@low"):
        assert str(read_arm(text, BOOK, where="here")) == text
