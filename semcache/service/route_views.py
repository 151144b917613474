"""Routes and what is known of them, as the JSON that the endpoints and the command line answer."""

from __future__ import annotations

from dataclasses import asdict

from semcache.decision.routing.evidence import CategoryReport
from semcache.request import Json
from semcache.strategies.explaining import Sending


def sending_view(sending: Sending) -> Json:
    """The route, and the ways to send the request on it; the first is the one that would be taken."""
    return {
        "route": {**asdict(sending.route), "changes": list(sending.route.changes)},
        "ways": [
            {
                "name": way.name,
                "cost_usd": float(way.cost_usd),
                "course_usd": float(way.course_usd),
                "because": way.because,
            }
            for way in sending.ways
        ],
        "breaks_prefix": sending.breaks_prefix,
        "first_max_tokens": sending.first_max_tokens,
    }


def route_report_view(namespace: str, report: CategoryReport) -> Json:
    """What may be said of one kind of request on one arm; null is what is not known."""
    certificate = report.certificate
    return {
        "namespace": namespace,
        "category": report.category,
        "certified": report.is_certified,
        "routed": certificate.hits,
        "compared": certificate.audited,
        "worse": certificate.wrong if certificate.audited else None,
        "worse_at_most": certificate.upper_bound if certificate.audited else None,
        "confidence": 1 - certificate.alpha,
        "escalation_rate": report.escalation_rate if report.tried else None,
    }
