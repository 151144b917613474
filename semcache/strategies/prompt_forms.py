"""The step that sends the system prompt and the turns in their cheaper form, and each conversation in one form.

Thinking is signed for the very prompt that it was made behind, and refused behind another. So a conversation that sends
thinking back goes on in the form it was made in: which one is remembered, and where nobody remembers, the request is
sent as it came, and should Claude refuse the signature, once more in the form it would have today.
"""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Lock

from semcache.errors import UpstreamStatus
from semcache.exchange import Answer, Exchange, Forward
from semcache.journal import Journalled, operation
from semcache.message import THINKING_TYPES, block_types
from semcache.pricing import PriceBook
from semcache.request import Request
from semcache.strategies.approved_prompts import STRATEGY as PROMPT_OPTIMISATION
from semcache.strategies.approved_prompts import Approved, Replacing, Sides, is_control
from semcache.strategies.consent import Consent
from semcache.strategies.prompt_names import name_before_thinking, name_of_prompt, refuses_signature
from semcache.strategies.system_prompts import SystemPrompts
from semcache.strategies.tidying import STRATEGY as TIDYING
from semcache.strategies.tidying import Tidying

logger = logging.getLogger(__name__)

_MOST_REMEMBERED = 10_000


@dataclass(frozen=True)
class Form:
    """How a prompt is sent: with these approved versions, and tidied or not."""

    versions: tuple[str, ...] = ()
    is_tidied: bool = False

    def record(self) -> str:
        return ",".join(("tidied" if self.is_tidied else "", *self.versions))

    @classmethod
    def of_record(cls, text: str) -> Form:
        tidied, *versions = text.split(",")
        return cls(tuple(versions), bool(tidied))


AS_IT_CAME = Form()


class FormMemory(Journalled):
    """In which form thinking was made, by a digest of what stood before it. Bounded, thread-safe; holds no text."""

    def __init__(self) -> None:
        self._forms: OrderedDict[str, str] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str) -> Form | None:
        with self._lock:
            found = self._forms.get(key)
            if found is not None:
                self._forms.move_to_end(key)
        return None if found is None else Form.of_record(found)

    @operation
    def put(self, key: str, form: Form) -> None:
        with self._lock:
            self._forms[key] = form.record()
            self._forms.move_to_end(key)
            if len(self._forms) > _MOST_REMEMBERED:
                self._forms.popitem(last=False)

    def to_bytes(self) -> bytes:
        with self._lock:
            return json.dumps(list(self._forms.items())).encode()

    def restore(self, content: bytes) -> None:
        """Raises `ValueError`, `TypeError` for what `to_bytes` did not write."""
        forms = OrderedDict((str(key), str(form)) for key, form in json.loads(content))
        with self._lock:
            self._forms = forms


@dataclass(frozen=True)
class Learned:
    """What the step takes down."""

    forms: FormMemory
    prompts: SystemPrompts
    sides: Sides


class PromptForms:
    """Stands behind the choice of the model and before all that prices the prompt. Fails open."""

    def __init__(  # noqa: PLR0913 - the parts it joins
        self,
        consent: Consent,
        tidying: Tidying,
        replacing: Replacing,
        *,
        learned: Learned,
        prices: PriceBook,
        held_tokens: Callable[[Request], int],
        clock: Callable[[], float],
    ) -> None:
        """`held_tokens`: how much of a prompt Claude's prompt cache is believed to hold."""
        self.learned = learned
        self.replacing = replacing
        self._consent = consent
        self._tidying = tidying
        self._prices = prices
        self._held_tokens = held_tokens
        self._clock = clock

    def step(self, request: Request, forward: Forward) -> Exchange:
        """One layer of the stack: see `semcache.exchange`."""
        if not any(self._consent.allows(request, each) for each in (TIDYING, PROMPT_OPTIMISATION)):
            return (yield from forward(request))
        form, other = self._forms(request)
        sent = self._in_form(request, form)
        try:
            answer: Answer = yield from forward(sent)
        except UpstreamStatus as refusal:
            again = sent if other is None else self._in_form(request, other)
            if again.body == sent.body or not refuses_signature(refusal):
                raise
            sent, form = again, other or AS_IT_CAME
            answer = yield from forward(sent)
        self._learn(request, sent, answer, form=form, now=self._clock())
        return answer

    def shaped(self, request: Request) -> Request:
        """The request as it would be sent, for explanations. Nothing is counted."""
        return self._in_form(request, self._forms(request)[0])

    def _forms(self, request: Request) -> tuple[Form, Form | None]:
        """The form to send it in, and the one to try where the first is refused."""
        try:
            versions = self.replacing.chosen(request)
            may_tidy = self._consent.allows(request, TIDYING) and not self._is_warm(request, versions)
            wanted = Form(tuple(version.id for version in versions), may_tidy)
            if (key := name_before_thinking(request)) is None:
                return wanted, None
            known = self.learned.forms.get(key)
            return (AS_IT_CAME, wanted) if known is None else (known, AS_IT_CAME)
        except Exception as error:  # the text of an unforeseen one may hold a prompt
            logger.error("a prompt's form could not be chosen: %s", type(error).__name__)
            return AS_IT_CAME, None

    def _is_warm(self, request: Request, versions: Sequence[Approved]) -> bool:
        """Whether the prompt cache holds more of it as it came than tidied: tidying would cost a write."""
        plain = self.replacing.replaced_by(request, versions)
        tidied = self._tidying.always_tidied(plain)
        return tidied is not plain and self._held_tokens(plain) > self._held_tokens(tidied)

    def _in_form(self, request: Request, form: Form) -> Request:
        try:
            versions = self.replacing.known(form.versions)
            if versions is None:
                return request
            replaced = self.replacing.replaced_by(request, versions)
            return self._tidying.always_tidied(replaced) if form.is_tidied else replaced
        except Exception as error:
            logger.error("a prompt could not be brought into its form: %s", type(error).__name__)
            return request

    def _learn(self, request: Request, sent: Request, answer: Answer, *, form: Form, now: float) -> None:
        """The answer is here, and nothing that goes wrong now may lose it."""
        try:
            if sent is not request and THINKING_TYPES & block_types(answer.message.blocks):
                self.learned.forms.put(name_of_prompt(request), form)
            if self._consent.allows(request, PROMPT_OPTIMISATION) and not answer.message.coalesced:
                self._count(request, answer, form, now)
        except Exception as error:
            logger.error("learning about prompts failed: %s", type(error).__name__)

    def _count(self, request: Request, answer: Answer, form: Form, now: float) -> None:
        usage = answer.message.usage
        if form.versions:
            self.replacing.note_came(request)
        for version in self.replacing.open_to(request):
            is_used = version.id in form.versions
            if is_used or is_control(request, version):  # else its thinking is bound to the original
                self.learned.sides.note(version, is_control=not is_used, output_tokens=usage.output_tokens)
        model = answer.message.model or request.model
        known = self._prices.model(model)
        cost = self._prices.cost_usd(model, replace(usage, output_tokens=0), on=datetime.fromtimestamp(now, UTC).date())
        if cost is not None and known is not None and usage.prompt_tokens:
            rate = float(cost / usage.prompt_tokens * known.tokenizer_factor)
            self.learned.prompts.note(request, model=known.id, usd_per_prompt_token=rate, now=now)
