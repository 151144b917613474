"""The quality report in sentences: what was proved, what was spent, how careful the cache is, what is not known."""

from __future__ import annotations

from semcache.decision.quality_record import Certificate
from semcache.learning.quality import Interval, NamespaceQuality, ShadowForecast


def in_words(quality: NamespaceQuality) -> list[str]:
    """One sentence for each thing that is known, or is not."""
    said = [proved(quality.since_start), _spent(quality), _cautious(quality)]
    if quality.last_days.since != quality.since_start.since:
        said.insert(1, proved(quality.last_days))
    if quality.shadow is not None:
        said.append(forecast(quality.shadow))
    if quality.since_start.audited and quality.since_start.placebo_rate is None:
        said.append("Not known yet: how often the judge calls two fresh answers to one question different.")
    return said


def proved(certificate: Certificate) -> str:
    """What the audits of a period prove."""
    when = "so far" if certificate.window_days is None else f"in the last {certificate.window_days} days"
    if not certificate.hits:
        return f"Nothing is proved: no similar hit was served {when}."
    served = f"{certificate.hits:,} similar {'hit' if certificate.hits == 1 else 'hits'} {when}"
    if not certificate.audited:
        return f"Nothing is proved: {served}, none of them audited."
    found = f"{_audits(certificate.audited)} ({certificate.wrong:.3g} found wrong) of {served}"
    if certificate.upper_bound >= 1:
        return f"Nothing is proved yet: {found} are too few."
    share = f"at most {percent(certificate.upper_bound)} of similar hits are wrong"
    return f"Proved: {share} ({1 - certificate.alpha:.0%} confidence), from {found}."


def forecast(shadow: ShadowForecast) -> str:
    """What going live would give."""
    answered = f"{percent(shadow.hit_rate)} {_between(shadow.hit_rate_interval)} of requests"
    start = f"Shadow mode saw {shadow.requests:,} requests: going live would answer {answered} from memory"
    if shadow.false_hit_rate is None or shadow.false_hit_rate_interval is None:
        return f"{start}; how many similar hits would be wrong is not known: none was judged."
    wrong = f"{percent(shadow.false_hit_rate)} {_between(shadow.false_hit_rate_interval)} of similar hits wrong"
    if shadow.wrong_rate is None or shadow.wrong_rate_interval is None:
        return f"{start}, {wrong}."
    overall = f"{percent(shadow.wrong_rate)} {_between(shadow.wrong_rate_interval)} of requests"
    return f"{start}, {wrong}, which is {overall} ({shadow.judged:,} judged)."


def percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _spent(quality: NamespaceQuality) -> str:
    tolerated = f"{percent(quality.error_budget)} of requests may be answered wrongly"
    if quality.expected_spend is None:
        return f"Budget: {tolerated}; how much is spent is not known: nothing was audited."
    allowed = quality.error_budget * quality.requests
    return (
        f"Budget: {tolerated}, {allowed:.1f} of {quality.requests:,} so far; "
        f"audits estimate that {quality.expected_spend:.1f} were."
    )


def _cautious(quality: NamespaceQuality) -> str:
    why = f": {quality.caution_reason}" if quality.caution_reason else ""
    risk = f"a similar answer is served where the risk that it is wrong is at most {percent(max(0.0, quality.cut))}"
    return f"Caution: {quality.caution}{why}; " + (risk if quality.cut > 0 else "only exact repeats are served") + "."


def _audits(count: int) -> str:
    return f"{count:,} {'audit' if count == 1 else 'audits'}"


def _between(interval: Interval) -> str:
    return f"[{100 * interval[0]:.3g} to {100 * interval[1]:.3g}]"
