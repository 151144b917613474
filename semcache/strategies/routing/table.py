"""The routing table: the ladder of arms and the tasks, from models/routing.toml and what the operator overrides."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from semcache.errors import ManifestError, SettingsError
from semcache.policy import RouteRule, RoutingPolicy, TaskPolicy
from semcache.pricing import Model, PriceBook
from semcache.shipped import find_shipped
from semcache.strategies.routing.arms import Arm, Level, read_arm

TABLE_NAME = "routing.toml"
SCHEMA_VERSION = 1
TYPICAL_OUTPUT_TOKENS = 400  # of a task about which nothing is said


@dataclass(frozen=True)
class Task:
    """Where a kind of work goes. `floor` and `ceiling` bound what complexity may say where the task was inferred."""

    name: str
    arm: Arm
    floor: Level
    ceiling: Level
    max_tokens: int | None = None
    output_tokens: int = TYPICAL_OUTPUT_TOKENS
    answer_pattern: re.Pattern[str] | None = None


@dataclass(frozen=True)
class Rule:
    """`RouteRule`, understood."""

    told: RouteRule
    arm: Arm | None
    question: re.Pattern[str] | None


@dataclass(frozen=True)
class RoutingTable:
    """All that decides where a miss goes, but for the request and what has been learned."""

    ladder: tuple[Arm, Arm, Arm]  # by `Level`
    simple_below: float
    complex_above: float
    tasks: Mapping[str, Task]
    rules: tuple[Rule, ...]
    baseline: Model
    classifier: Model | None

    def level_of(self, gain: float) -> Level:
        """Of what the stronger model would gain."""
        if gain < self.simple_below:
            return Level.SIMPLE
        return Level.COMPLEX if gain > self.complex_above else Level.MODERATE

    def level_reached_by(self, arm: Arm) -> Level:
        """The highest level whose own arm is not stronger than this one."""
        reached = [level for level in Level if not arm.is_weaker_than(self.ladder[level].model)]
        return max(reached, default=Level.SIMPLE)


def find_routing_table(models_dir: Path | None) -> Path:
    """Raises `ManifestError`."""
    return find_shipped(TABLE_NAME, models_dir)


def load_routing_table(path: Path, prices: PriceBook, policy: RoutingPolicy) -> RoutingTable:
    """Raises `ManifestError` for the file, and `SettingsError` for what the operator wrote."""
    try:
        data = tomllib.loads(path.read_text("utf-8"))
        if data["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"schema_version: expected {SCHEMA_VERSION}")
        shipped = {name: _task(name, row, prices) for name, row in data["tasks"].items()}
        own = policy.simple, policy.moderate, policy.complex
        ladder = [
            read_arm(given or data["ladder"][level.word], prices, where=f"routing.{level.word}")
            for level, given in zip(Level, own, strict=True)
        ]
        levels, baseline = data["levels"], data["baseline"]
        thresholds = float(levels["simple_below"]), float(levels["complex_above"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ManifestError(f"{path} is no routing table: {error!r}") from error
    tasks = {**shipped, **{name: _own_task(name, told, shipped, prices) for name, told in policy.tasks.items()}}
    return RoutingTable(
        ladder=(ladder[0], ladder[1], ladder[2]),
        simple_below=thresholds[0],
        complex_above=thresholds[1],
        tasks=tasks,
        rules=tuple(_rule(number, told, tasks, prices) for number, told in enumerate(policy.rules, start=1)),
        baseline=read_arm(policy.baseline or baseline, prices, where="routing.baseline").model,
        classifier=read_arm(policy.classifier, prices, where="routing.classifier").model if policy.classifier else None,
    )


def _task(name: str, row: dict[str, Any], prices: PriceBook) -> Task:
    return Task(
        name,
        read_arm(row["arm"], prices, where=f"tasks.{name}.arm"),
        Level.read(row["floor"]),
        Level.read(row["ceiling"]),
        row.get("max_tokens"),
        int(row.get("output_tokens", TYPICAL_OUTPUT_TOKENS)),
    )


def _own_task(name: str, told: TaskPolicy, shipped: Mapping[str, Task], prices: PriceBook) -> Task:
    where = f"routing.tasks.{name}"
    known = shipped.get(name)
    if known is None and told.arm is None:
        raise SettingsError(f"{where}: a task of your own needs an arm, for example claude-haiku-5-5@low")
    arm = (
        known.arm if told.arm is None and known is not None else read_arm(told.arm or "", prices, where=f"{where}.arm")
    )
    pattern = None if told.answer_pattern is None else _pattern(told.answer_pattern, f"{where}.answer_pattern")
    task = known or Task(name, arm, Level.SIMPLE, Level.COMPLEX)
    return replace(task, arm=arm, answer_pattern=pattern, max_tokens=told.max_tokens or task.max_tokens)


def _rule(number: int, told: RouteRule, tasks: Mapping[str, Task], prices: PriceBook) -> Rule:
    where = f"routing.rules[{number}]"
    if bool(told.task) == bool(told.arm):
        raise SettingsError(f"{where}: say either task or arm")
    if told.task and told.task not in tasks:
        raise SettingsError(f"{where}: there is no task {told.task!r}; known: {', '.join(sorted(tasks))}")
    arm = read_arm(told.arm, prices, where=f"{where}.arm") if told.arm else None
    question = None if told.question is None else _pattern(told.question, f"{where}.question")
    return Rule(told, arm, question)


def _pattern(text: str, where: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise SettingsError(f"{where}: not a regular expression: {error}") from error
