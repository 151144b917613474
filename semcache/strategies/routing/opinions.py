"""How much a request asks of a model, and what kind of work it is: a rule, the caller, Claude, or the local judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from semcache.canonical import last_user_text, system_digest
from semcache.decision.routing.neighbours import Neighbours
from semcache.decision.routing.router import Complexity, Router
from semcache.errors import InvalidRequest
from semcache.request import Request
from semcache.strategies.routing.arms import Arm, Level
from semcache.strategies.routing.conversations import system_text
from semcache.strategies.routing.table import RoutingTable, Rule, Task
from semcache.strategies.routing.tasks import inferred_task


@dataclass(frozen=True)
class Opinion:
    """`arm` is set where a rule or a named task says where the request goes, whatever its complexity."""

    level: Level
    because: str
    task: Task | None = None
    arm: Arm | None = None
    complexity: Complexity | None = None

    @property
    def category(self) -> str:
        """What evidence about such requests is kept under."""
        return self.task.name if self.task is not None else self.level.word


@dataclass(frozen=True)
class Judges:
    """The local judges of complexity: one that reads the vector the lookup has computed, one for requests without."""

    by_meaning: Router
    by_surface: Router

    def judge(self, text: str, request: Request, neighbours: Neighbours) -> Complexity:
        if request.vector is None:
            return self.by_surface.judge(text)
        return neighbours.refine(self.by_meaning.judge(text, request.vector), request.vector)


class Opinions:
    """Forms opinions without asking anybody."""

    def __init__(self, table: RoutingTable, judges: Judges) -> None:
        self._table = table
        self._judges = judges

    def ruled(self, request: Request) -> Opinion | None:
        """What the operator's rules or the caller say. Raises `InvalidRequest` for a task that does not exist."""
        question = last_user_text(request) if self._table.rules else ""
        for number, rule in enumerate(self._table.rules, start=1):
            if _applies(rule, request, question):
                return self._by_rule(rule, number)
        return self._by_task(request.directives.task, "named") if request.directives.task else None

    def formed(self, request: Request, neighbours: Neighbours, *, knows_tasks: bool = True) -> Opinion:
        """The local judge's, between the bounds of the task that the words speak of."""
        question = last_user_text(request)
        complexity = self._judges.judge(question, request, neighbours)
        level = self._table.level_of(complexity.gain)
        name = inferred_task(question, system=system_text(request.body)) if knows_tasks else None
        return self.bounded(request, level, name, complexity)

    def bounded(
        self, request: Request, level: Level, task_name: str | None, complexity: Complexity | None = None
    ) -> Opinion:
        """A level within what its task allows; work with tools is never the simplest."""
        task = self._table.tasks.get(task_name or "")
        because = level.word
        if task is not None:
            level = min(max(level, task.floor), task.ceiling)
            because = f"{level.word} {task.name}"
        if level is Level.SIMPLE and request.body.get("tools") and (task is None or task.ceiling is not Level.SIMPLE):
            level, because = Level.MODERATE, f"{because}, with tools"
        return Opinion(level, because, task, complexity=complexity)

    def _by_rule(self, rule: Rule, number: int) -> Opinion:
        if rule.arm is not None:
            return Opinion(self._table.level_reached_by(rule.arm), f"rule {number}", arm=rule.arm)
        return self._by_task(rule.told.task, f"rule {number}:")

    def _by_task(self, name: str, how: str) -> Opinion:
        task = self._table.tasks.get(name)
        if task is None:
            known = ", ".join(sorted(self._table.tasks))
            raise InvalidRequest(f"x-semcache-task: there is no such task; known are {known}")
        return Opinion(self._table.level_reached_by(task.arm), f"{how} {name}", task, arm=task.arm)


def _applies(rule: Rule, request: Request, question: str) -> bool:
    told = rule.told
    conditions: Mapping[str, bool] = {
        "namespace": told.namespace is None or told.namespace == request.caller.namespace,
        "tag": told.tag is None or told.tag in request.directives.tags,
        "question": rule.question is None or rule.question.search(question) is not None,
    }
    if not all(conditions.values()):
        return False
    return told.system is None or system_digest(request).startswith(told.system)


def raised(opinion: Opinion, level: Level, because: str) -> Opinion:
    """The same at a higher level."""
    return replace(opinion, level=level, because=f"{opinion.because}, {because}", arm=None)
