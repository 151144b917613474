"""Works through one lesson: compares answers, books what was found, and lets the teacher write it down."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal

from semcache.decision.deciding import BELOW_THRESHOLD
from semcache.decision.drift import Change
from semcache.decision.sameness.outcomes import Pairing
from semcache.entry import Considered, HitKind, Kind, Origin
from semcache.errors import UpstreamError
from semcache.exchange import Call
from semcache.learning.audit_log import Audited, AuditLog, cost_of, verdict_of
from semcache.learning.comparing import Comparing, Send
from semcache.learning.keeping import BeliefBook
from semcache.learning.lessons import Asked, Audit, Lesson, MissLesson, Refresh, Report, ShadowLesson
from semcache.learning.reports import is_reported_near
from semcache.learning.teacher import Finding, Teacher
from semcache.ledger import Ledger
from semcache.message import Message
from semcache.request import Request
from semcache.stores.store import Selection, Store

logger = logging.getLogger(__name__)

__all__ = ["Send", "Working"]


@dataclass
class _Found:
    """What an audit has found so far; None: nothing."""

    generation: int  # of the scope, before anything was asked
    fresh: Message | None = None
    same: bool | None = None
    twin: bool | None = None
    spent: list[Decimal | None] = field(default_factory=list)  # dollars; None: of unknown price


class Working:
    """Blocking; for the background thread only. Raises `SemcacheError`."""

    def __init__(  # noqa: PLR0913 - the parts it joins
        self,
        store: Store,
        book: BeliefBook,
        comparing: Comparing,
        ledger: Ledger,
        *,
        clock: Callable[[], float],
        as_sent: Callable[[Request], Request] = lambda request: request,
    ) -> None:
        self._as_sent = as_sent
        self._store = store
        self._book = book
        self._teacher = Teacher(store, book, clock=clock)
        self._audits = AuditLog(store)
        self._comparing = comparing
        self._ledger = ledger
        self._clock = clock

    @property
    def audits(self) -> AuditLog:
        return self._audits

    def is_urgent(self, lesson: Lesson) -> bool:
        """Whether a lesson may withdraw an answer that can be served until then: it repeats what people reported."""
        return isinstance(lesson, MissLesson) and any(
            is_reported_near(self._store.exemplars(candidate.entry_id), lesson.asked.embedding)
            for candidate in lesson.considered
        )

    def learn_miss(self, lesson: MissLesson, send: Send | None) -> None:
        """Label every candidate of a miss for free: its answer is the one that came back, or it is not."""
        namespace = lesson.namespace
        findings = self._findings(lesson.asked, lesson.considered, lesson.fresh, namespace, send)
        reported = [finding for finding in findings if finding.same and self._is_reported(lesson.asked, finding)]
        if reported:  # people's word on this answer stands above the upstream's, which has given it again
            if lesson.entry is not None:
                self._store.delete(Selection(entry_ids=(lesson.entry.id,)))
            return
        # Of a curated answer only agreement can be told (see `_findings`); one-sided labels would teach blind trust.
        telling = [finding for finding in findings if finding.entry.kind is not Kind.FAQ]
        for finding in telling:
            self._teacher.learn_case(namespace, finding.candidate, finding.same)
        if telling == findings:
            self._learn_likeliest(namespace, telling)
        self._teacher.after_miss(lesson.asked, lesson.entry, findings)

    def learn_shadow(self, lesson: ShadowLesson, send: Send | None) -> None:
        """What would have been served is judged like an audit, at no cost."""
        hit, beliefs = lesson.would_be, self._book.of(lesson.would_be.entry.scope.namespace)
        if hit.kind is HitKind.FAQ:
            return  # as it is not audited either
        namespace = hit.entry.scope.namespace
        candidates = tuple(one for one in hit.considered if one.entry_id == hit.entry.id)
        for finding in self._findings(lesson.asked, candidates, lesson.fresh, namespace, send):
            change = beliefs.settle_shadow(hit.confidence, not finding.same, self._clock())
            self._announce(namespace, change)
            self._teacher.learn_case(namespace, finding.candidate, finding.same)
            if finding.same:
                self._teacher.confirm(lesson.asked, finding.entry, Origin.AUDIT)
                continue
            self._teacher.refute(lesson.asked, finding.entry, Origin.AUDIT)
            self._teacher.quarantine(finding.entry)
            lesson.keep(lesson.fresh, hit.generation)

    def learn_report(self, report: Report) -> None:
        self._teacher.learn_case(report.namespace, report.candidate, report.is_right)

    def audit(self, audit: Audit, send: Send | None) -> None:
        """Answer a served hit again, judge, and book. One that cannot be carried out leaves the evidence as it is.

        Nothing changes before the last question has been answered.
        """
        if send is None or not self._is_auditable(audit):
            return
        found = _Found(self._store.generation(audit.hit.entry.scope))
        try:
            self._look_into(audit, self._counted(send, found), found)
        except UpstreamError:
            self._log(audit, found)
            raise
        try:
            if found.fresh is not None and found.same is not None:
                self._book_audit(audit, found, found.fresh, same=found.same)
        finally:
            self._log(audit, found)

    def refresh(self, refresh: Refresh, send: Send | None) -> None:
        """Ask anew what soon expires. Where Claude says the same, all that it was known for is kept."""
        entry = self._store.get(refresh.entry_id)
        if send is None or entry is None:
            return
        namespace, generation = refresh.request.caller.namespace, self._store.generation(entry.scope)
        fresh = self._asked_again("refresh", refresh.request, namespace, send)
        pairing = Pairing(refresh.question, fresh, entry.question, entry.message)
        same = self._comparing.verdict(pairing, namespace=namespace, send=send)
        wordings = self._store.exemplars(entry.id) if same else []
        if (kept := refresh.keep(fresh, generation)) is None:
            return
        known = {each.text for each in self._store.exemplars(kept.id)}
        for each in wordings:
            if each.text not in known:
                self._store.add_exemplar(replace(each, entry_id=kept.id))

    def _log(self, audit: Audit, found: _Found) -> None:
        self._audits.append(
            Audited(
                at=self._clock(),
                namespace=audit.request.caller.namespace,
                entry_id=audit.hit.entry.id,
                confidence=audit.hit.confidence,
                verdict=verdict_of(found.same),
                placebo=verdict_of(found.twin) if audit.plan.is_placebo else None,
                is_uniform=audit.plan.is_uniform,
                cost_usd=cost_of(found.spent),
            )
        )

    def _look_into(self, audit: Audit, send: Send, found: _Found) -> None:
        """Ask all there is to ask."""
        namespace, hit = audit.request.caller.namespace, audit.hit
        fresh = found.fresh = self._asked_again("audit", audit.request, namespace, send)
        pairing = Pairing(audit.asked.text, fresh, hit.entry.question, hit.entry.message)
        found.same = self._comparing.verdict(pairing, namespace=namespace, send=send)
        if found.same is None or not audit.plan.is_placebo:
            return
        try:
            again = self._asked_again("audit", audit.request, namespace, send, name="placebo")
        except UpstreamError:
            return  # what the audit itself has found counts all the same
        pairing = Pairing(audit.asked.text, again, audit.asked.text, fresh)
        found.twin = self._comparing.verdict(pairing, namespace=namespace, send=send)

    def _book_audit(self, audit: Audit, found: _Found, fresh: Message, *, same: bool) -> None:
        namespace, hit = audit.request.caller.namespace, audit.hit
        beliefs, now = self._book.of(namespace), self._clock()
        self._announce(namespace, beliefs.settle_audit(audit.plan, hit.confidence, not same, now))
        if hit.considered:
            count = 1 / audit.plan.rate if audit.plan.is_uniform and audit.plan.rate else 1.0
            self._teacher.learn_case(namespace, hit.considered[0], same, count=count)
        if same:
            self._teacher.confirm(audit.asked, hit.entry, Origin.AUDIT)
        else:
            self._teacher.refute(audit.asked, hit.entry, Origin.AUDIT)
            self._teacher.quarantine(hit.entry)
            if self._store.get(hit.entry.id) is not None:  # what was purged while the audit waited stays so
                audit.keep(fresh, found.generation)
            logger.info("audit: entry %s answered wrongly in %s", hit.entry.id, namespace)
        if found.twin is not None:
            beliefs.settle_placebo(not found.twin, now)

    def _counted(self, send: Send, found: _Found) -> Send:
        """The same, and what it costs is noted: answers that were given earlier were paid for all the same."""

        def counted(call: Call) -> Message:
            message = send(call)
            found.spent.append(self._ledger.cost_of_own(call.request.model, message))
            return message

        return counted

    def _findings(
        self, asked: Asked, considered: tuple[Considered, ...], fresh: Message, namespace: str, send: Send | None
    ) -> list[Finding]:
        found = []
        for candidate in considered:
            entry = self._store.get(candidate.entry_id)
            if entry is None:
                continue
            pairing = Pairing(asked.text, fresh, candidate.wording or entry.question, entry.message)
            same = self._comparing.verdict(pairing, namespace=namespace, send=send)
            if same is None or (not same and entry.kind is Kind.FAQ):
                continue  # Claude does not know what a FAQ knows: another answer of his refutes nothing
            found.append(Finding(candidate, entry, same))
        return found

    def _is_reported(self, asked: Asked, finding: Finding) -> bool:
        return is_reported_near(self._store.exemplars(finding.entry.id), asked.embedding)

    def _learn_likeliest(self, namespace: str, findings: list[Finding]) -> None:
        if not findings or findings[0].candidate.objections not in ((), (BELOW_THRESHOLD,)):
            return
        likeliest, beliefs = findings[0], self._book.of(namespace)
        self._announce(namespace, beliefs.learn_free(likeliest.candidate.confidence, likeliest.same, self._clock()))

    def _asked_again(self, outcome: str, request: Request, namespace: str, send: Send, *, name: str = "") -> Message:
        request = self._as_sent(request)
        body = {field: value for field, value in request.body.items() if field != "stream"}
        try:
            message = send(Call(replace(request, body=body, raw=None), name=name or outcome))
        except UpstreamError:
            logger.warning("%s in %s could not be carried out: upstream failed", outcome, namespace)
            raise
        self._ledger.book_overhead(outcome, namespace, request.model, message)
        return replace(message, coalesced=False)

    def _is_auditable(self, audit: Audit) -> bool:
        """A curated answer knows what Claude does not: asking Claude again would say nothing about it."""
        return audit.hit.kind is not HitKind.FAQ

    def _announce(self, namespace: str, change: Change | None) -> None:
        if change is not None:
            logger.warning("namespace %s is now %s: %s", namespace, change.caution.value, change.reason)
