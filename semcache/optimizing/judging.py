"""Whether pairs of answers do and say the same; where Claude is to judge, all his judgements are asked together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from semcache.decision.sameness.outcomes import Pairing
from semcache.errors import UpstreamError
from semcache.exchange import Call
from semcache.learning.comparing import Comparing
from semcache.learning.postponing import Postponed, answering
from semcache.message import Message
from semcache.optimizing.acts import Acts, compared_acts
from semcache.optimizing.asking import Asking, Later

_CUT_OFF = "max_tokens"
_OUTCOME = "judge"  # of their rows in the ledger, as of every judgement


def verdicts(pairings: Sequence[Pairing], asking: Asking, comparing: Comparing) -> list[bool | None]:
    """Whether both answers of each are the same; None: nobody can tell, as of one that was cut off."""
    if asking.later is None:
        return [_verdict(pairing, asking, comparing, asking.send) for pairing in pairings]
    known: dict[str, Message | UpstreamError] = {}
    while True:  # a judgement may take a second question, once the first has been answered
        found, waiting = list[bool | None](), dict[str, Call]()
        send = answering(known, asking.send, is_patient=True)
        for pairing in pairings:
            try:
                found.append(_verdict(pairing, asking, comparing, send))
            except Postponed as postponed:
                waiting[postponed.call.name] = postponed.call
        if not waiting:
            return found
        known |= _answered(waiting, asking, asking.later)


def _answered(waiting: dict[str, Call], asking: Asking, later: Later) -> dict[str, Message | UpstreamError]:
    like = asking.like
    calls = [
        replace(call, request=replace(call.request, caller=like.caller, headers=like.headers))
        for call in waiting.values()
    ]
    return dict(zip(waiting, later(_OUTCOME, calls), strict=True))


def _verdict(pairing: Pairing, asking: Asking, comparing: Comparing, send: Callable[[Call], Message]) -> bool | None:
    if _CUT_OFF in (pairing.fresh.stop_reason, pairing.stored.stop_reason):
        return None
    match compared_acts(pairing.fresh, pairing.stored):
        case Acts.SAME:
            return True
        case Acts.DIFFERENT:
            return False
        case Acts.UNCLEAR:
            return None
        case Acts.NONE:
            return comparing.verdict(pairing, namespace=asking.namespace, send=send)
