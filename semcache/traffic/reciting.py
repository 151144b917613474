"""Claude's part in a rehearsal: he says what he is recorded to have said, or what nobody knows."""

from __future__ import annotations

import hashlib
from threading import Lock

from semcache.canonical import last_user_text
from semcache.decision.sameness.judge import Judge
from semcache.decision.sameness.outcomes import Pairing, Sameness, Uncertain
from semcache.message import Message
from semcache.pricing import PriceBook
from semcache.pricing.tokens import BYTES_PER_TOKEN
from semcache.request import Json, Request, encode_json
from semcache.traffic.recorded import Recorded
from semcache.upstream.simulator import Reply

UNKNOWN = "[not recorded]"
_FILLER = " and so on"


class Reciter:
    """Answers for what is being rehearsed. What another model would have said, nobody recorded."""

    def __init__(self, prices: PriceBook, *, assumed_output_tokens: int) -> None:
        self._prices = prices
        self._assumed = assumed_output_tokens
        self._current: dict[str, Recorded] = {}
        self._served = ""  # the model that answered the caller
        self._lock = Lock()

    def begin(self, *recorded: Recorded) -> None:
        """From now on these are the requests."""
        with self._lock:
            self._current, self._served = {_asked(each.params): each for each in reversed(recorded)}, ""

    def answered(self, model: str) -> None:
        """The caller has his answer, of this model: what is asked now is asked for ourselves."""
        with self._lock:
            self._served = model

    def __call__(self, body: Json) -> Reply:
        with self._lock:
            served, found = self._served, self._found(_asked(body))
        response = found.response if found is not None else None
        if response is None or (served and body.get("model") != served):
            return Reply(self._invented(body, response))
        said = tuple(response.without_thinking().blocks)
        return Reply(said, stop_reason=_stop_reason(response), usage=self._counted(body, response))

    def _counted(self, body: Json, response: Message) -> Json | None:
        """The output as it was counted, thinking included; None where the simulator is to count it."""
        model, limit = self._prices.model(str(body.get("model"))), body.get("max_tokens")
        origin, tokens = self._prices.model(response.model), response.usage.output_tokens
        if model is None or origin is None or not tokens:
            return None
        tokens = round(tokens * model.tokenizer_factor / origin.tokenizer_factor)
        return {"output_tokens": tokens} if isinstance(limit, int) and tokens <= limit else None

    def _found(self, asked: str) -> Recorded | None:
        """Strategies may have added to a request, or cut it: then only one can be meant, or none."""
        known = self._current.get(asked)
        if known is not None or len(self._current) != 1:
            return known
        return next(iter(self._current.values()))

    def _invented(self, body: Json, like: Message | None) -> str:
        """Of the length recorded, or assumed; different for every prompt."""
        tokens = like.usage.output_tokens if like is not None and like.usage.output_tokens else self._assumed
        model = self._prices.model(str(body.get("model")))
        size = round(tokens * BYTES_PER_TOKEN / (model.tokenizer_factor if model is not None else 1))
        beginning = f"{UNKNOWN} {hashlib.sha256(encode_json(body.get('messages'))).hexdigest()[:12]}"
        return f"{beginning}{_FILLER * (size // len(_FILLER))}"[: max(size, len(beginning))]


class RecordedJudge:
    """Compares what is recorded; of what is not, it says so, and nothing is learned from it."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    def compare(self, pairing: Pairing) -> Sameness:
        if is_unknown(pairing.fresh) or is_unknown(pairing.stored):
            return Uncertain("not-recorded", 0.5)
        return self._judge.compare(pairing)


def _asked(params: Json) -> str:
    return last_user_text(Request(params))


def is_unknown(message: Message) -> bool:
    """Whether a message was invented."""
    return message.text.startswith(UNKNOWN)


def _stop_reason(response: Message) -> str | None:
    """What he stopped for, where it was not for want of room: how much there is, is ours to change."""
    return None if response.stop_reason in ("end_turn", "max_tokens", "tool_use") else response.stop_reason
