"""Quality, audits and explanations as the JSON that the endpoints answer; null is what is not known."""

from __future__ import annotations

from dataclasses import asdict

from semcache.decision.quality_record import Certificate
from semcache.feedback import Correction
from semcache.learning.audit_log import Audited
from semcache.learning.explaining import ExplainedCandidate, Explanation
from semcache.learning.quality import WINDOW_DAYS, NamespaceQuality, QualityReport, ShadowForecast
from semcache.learning.quality_in_words import in_words
from semcache.request import Json


def quality_view(report: QualityReport) -> Json:
    """All together, and each namespace."""
    return {"overall": _of(report.overall), "namespaces": [_of(each) for each in report.namespaces]}


def audit_view(audited: Audited) -> Json:
    return {
        "at": audited.at,
        "namespace": audited.namespace,
        "entry": audited.entry_id,
        "confidence": audited.confidence,
        "verdict": audited.verdict,
        "placebo": audited.placebo,
        "uniform": audited.is_uniform,
        "cost_usd": audited.cost_usd,
    }


def explanation_view(explanation: Explanation, *, shows_wordings: bool) -> Json:
    return {
        "says": explanation.says,
        "cut": explanation.cut,
        "candidates": [_candidate(each, shows_wordings) for each in explanation.candidates],
    }


def correction_view(correction: Correction, *, shows_texts: bool) -> Json:
    """What was done and what else it concerns; in numbers only where the texts and ids may be others'."""
    affected: Json = {"other_wordings": len(correction.other_wordings), "servings": len(correction.servings)}
    if shows_texts:
        affected["wordings"] = list(correction.other_wordings)
        affected["recent_servings"] = [
            {"message": each.id, "at": each.at, "kind": each.kind, "question": each.question}
            for each in correction.servings
        ]
    judged = correction.judged
    return {"entry": judged.entry.id, "effect": correction.effect.value, "affected": affected}


def _of(quality: NamespaceQuality) -> Json:
    return {
        "namespace": quality.namespace,
        "says": in_words(quality),
        "since_start": _certificate(quality.since_start),
        f"last_{WINDOW_DAYS}_days": _certificate(quality.last_days),
        "error_budget": quality.error_budget,
        "requests": quality.requests,
        "allowed_wrong": quality.error_budget * quality.requests,
        "expected_wrong": quality.expected_spend,
        "cut": quality.cut,
        "caution": quality.caution,
        "caution_reason": quality.caution_reason or None,
        "labels": quality.labels,
        "shadow": None if quality.shadow is None else _shadow(quality.shadow),
    }


def _certificate(certificate: Certificate) -> Json:
    return {
        "similar_hits": certificate.hits,
        "audits": certificate.audited,
        "wrong": certificate.wrong if certificate.audited else None,
        "estimate": certificate.estimate,
        "upper_bound": certificate.upper_bound if certificate.audited else None,
        "confidence": 1 - certificate.alpha,
        "since": certificate.since,
        "placebo_rate": certificate.placebo_rate,
        "excess_over_placebo": None if certificate.excess is None else list(certificate.excess),
    }


def _shadow(forecast: ShadowForecast) -> Json:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(forecast).items()}


def _candidate(candidate: ExplainedCandidate, shows_wordings: bool) -> Json:
    return {
        "entry": candidate.entry_id,
        "wording": candidate.wording if shows_wordings else None,
        "similarity": candidate.similarity,
        "confidence": candidate.confidence,
        "says": candidate.says,
        "objections": list(candidate.objections),
        "contributions": [
            {"feature": each.feature, "value": each.value, "log_odds": each.log_odds, "says": each.says}
            for each in candidate.contributions
        ],
    }
