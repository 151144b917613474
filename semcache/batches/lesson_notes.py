"""Lessons written down: what a waiting question's answer is for, so that whoever gets it can go on with the lesson."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from semcache.batches.asked import Asked
from semcache.batches.sealing import SECRET_NAME, seal, unseal
from semcache.cache import Cache
from semcache.decision.audit_schedule import AuditPlan
from semcache.entry import Considered, Hit, HitKind
from semcache.exchange import Call
from semcache.learning.lessons import Asked as Question
from semcache.learning.lessons import Audit, MissLesson, Refresh, RouteLesson, ShadowLesson
from semcache.learning.postponing import Patient, Postponement
from semcache.message import Message
from semcache.request import Json, Request

if TYPE_CHECKING:
    from semcache.request import Vector


@dataclass(frozen=True)
class LessonNotes:
    """Writes and reads. What can be found again is not written: entries, embeddings, how an answer is kept."""

    cache: Cache

    def write(self, postponed: Postponement) -> Json:
        """As JSON; credentials are sealed."""
        return {
            "lesson": self._written(postponed.lesson),
            "known": {name: message.body for name, message in postponed.known.items()},
            "call": {"name": postponed.call.name, "request": self._request(postponed.call.request)},
        }

    def read(self, given: Json) -> Postponement | None:
        """None: what it was about has gone meanwhile."""
        lesson = self._lesson(given["lesson"])
        if lesson is None:
            return None
        known = {name: Message(body) for name, body in given["known"].items()}
        call = Call(self._read_request(given["call"]["request"]), name=given["call"]["name"])
        return Postponement(lesson, known, call)

    def _written(self, lesson: Patient) -> Json:
        match lesson:
            case Audit(asked, hit, plan, request):
                return {
                    "kind": "audit",
                    "plan": asdict(plan),
                    "request": self._request(request),
                    **_question(asked),
                    **_hit(hit),
                }
            case ShadowLesson(asked, hit, fresh, request):
                return {
                    "kind": "shadow",
                    "generation": hit.generation,
                    "fresh": fresh.body,
                    "request": self._request(request),
                    **_question(asked),
                    **_hit(hit),
                }
            case MissLesson(asked, namespace, considered, fresh, entry):
                return {
                    "kind": "miss",
                    "namespace": namespace,
                    "considered": [_considered(each) for each in considered],
                    "fresh": fresh.body,
                    "entry": None if entry is None else entry.id,
                    **_question(asked),
                }
            case Refresh(entry_id, question, request):
                return {
                    "kind": "refresh",
                    "entry": entry_id,
                    "question": question,
                    "request": self._request(request),
                }
            case RouteLesson():
                return self._route(lesson)

    def _route(self, lesson: RouteLesson) -> Json:
        return {
            "kind": "route",
            "namespace": lesson.namespace,
            "category": lesson.category,
            "plan": asdict(lesson.plan),
            "question": lesson.question,
            "vector": None if lesson.vector is None else _vector(lesson.vector),
            "answered": lesson.answered.body,
            "request": self._request(lesson.other),
            "answered_is_weaker": lesson.answered_is_weaker,
            "was_named": lesson.was_named,
        }

    def _lesson(self, given: Json) -> Patient | None:
        if given["kind"] == "miss":
            return self._miss(given)
        request = self._read_request(given["request"])
        match given["kind"]:
            case "audit" | "shadow" as kind:
                return self._of_hit(kind, given, request)
            case "refresh":
                return Refresh(given["entry"], given["question"], request, self.cache.keeping(request))
            case _:
                return RouteLesson(
                    given["namespace"],
                    given["category"],
                    AuditPlan(**given["plan"]),
                    given["question"],
                    None if given["vector"] is None else _read_vector(given["vector"]),
                    Message(given["answered"]),
                    request,
                    answered_is_weaker=given["answered_is_weaker"],
                    was_named=given["was_named"],
                )

    def _miss(self, given: Json) -> MissLesson | None:
        entry = None if given["entry"] is None else self.cache.store.get(given["entry"])
        if entry is None and given["entry"] is not None:
            return None
        considered = tuple(_read_considered(each) for each in given["considered"])
        return MissLesson(self._asked(given), given["namespace"], considered, Message(given["fresh"]), entry)

    def _of_hit(self, kind: str, given: Json, request: Request) -> Audit | ShadowLesson | None:
        entry, said = self.cache.store.get(given["entry"]), given["hit"]
        if entry is None:
            return None
        asked, keep = self._asked(given), self.cache.keeping(request)
        hit = Hit(
            HitKind(said["kind"]),
            entry,
            said["similarity"],
            said["confidence"],
            tuple(_read_considered(each) for each in said["considered"]),
            asked.text,
            asked.embedding,
            asked.key,
        )
        if kind == "audit":
            return Audit(asked, hit, AuditPlan(**given["plan"]), request, keep)
        hit = replace(hit, generation=given["generation"])
        return ShadowLesson(asked, hit, Message(given["fresh"]), request, keep)

    def _asked(self, given: Json) -> Question:
        return Question(given["question"], self.cache.embedder.embed(given["question"]), given["key"])

    def _request(self, request: Request) -> Json:
        asked = Asked.like(request)
        return {
            "body": request.body,
            "asked": asked.content().decode(),
            "sealed": base64.b64encode(self._sealing(seal, asked)).decode(),
        }

    def _sealing(self, act: Callable[..., bytes], asked: Asked) -> bytes:
        return act(asked.credential, self.cache.store.secret(SECRET_NAME), batch_id=_OWN)

    def _read_request(self, given: Json) -> Request:
        sealed = base64.b64decode(given["sealed"])
        credential = unseal(sealed, self.cache.store.secret(SECRET_NAME), batch_id=_OWN)
        return Asked.parse(given["asked"].encode(), credential or ()).request(given["body"])


_OWN = "own jobs"  # what the credentials of lessons are sealed for


def _question(asked: Question) -> Json:
    return {"question": asked.text, "key": asked.key}


def _hit(hit: Hit) -> Json:
    """What a hit was decided by; its entry and its embedding are found again."""
    said = {
        "kind": hit.kind.value,
        "similarity": float(hit.similarity),
        "confidence": float(hit.confidence),
        "considered": [_considered(each) for each in hit.considered],
    }
    return {"entry": hit.entry.id, "hit": said}


def _considered(each: Considered) -> Json:
    return {**asdict(each), "similarity": float(each.similarity), "values": [float(value) for value in each.values]}


def _read_considered(given: dict[str, Any]) -> Considered:
    return Considered(**{**given, "objections": tuple(given["objections"]), "values": tuple(given["values"])})


def _vector(vector: Vector) -> str:
    return base64.b64encode(np.asarray(vector, np.float32).tobytes()).decode()


def _read_vector(given: str) -> Vector:
    return np.frombuffer(base64.b64decode(given), np.float32)
