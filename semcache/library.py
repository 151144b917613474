"""What both faces of the library share: the assembled parts, and every call that never waits for Claude."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from semcache import curation
from semcache.assembly import Assembly, Brought, assemble
from semcache.cache import informed
from semcache.canonical import system_digest
from semcache.curation import ImportReport, Narrowing
from semcache.decision.routing.evidence import CategoryReport
from semcache.drivers import blocking_send
from semcache.entry import Entry, Lookup
from semcache.errors import InvalidRequest
from semcache.faq import FaqFormat, read_faq
from semcache.feedback import Correction, correct, find_judged
from semcache.flights import Flights
from semcache.learning.comparing import Send
from semcache.learning.explaining import Explanation, explain
from semcache.learning.quality import QualityReport, quality_of
from semcache.message import Message, new_message_id, text_message
from semcache.opening import open_upstream
from semcache.request import DEFAULT_VERSION, Directives, Headers, Json, Mode, Request
from semcache.savings import SavingsReport, savings_of
from semcache.settings import Settings, load_settings
from semcache.stores.ledger_book import LedgerQuery
from semcache.stores.store import Selection, StoreStats
from semcache.strategies.explaining import Sending, explain_sending
from semcache.strategies.routing.explaining import RouteExplanation
from semcache.tariff import price_on
from semcache.upstream.upstream import Upstream
from semcache.wire import read_wish

DEFAULT_MODEL = "claude-sonnet-5-5"
DEFAULT_MAX_TOKENS = 1024
SIMULATOR = "simulator"
EVERYTHING = LedgerQuery()


class Parts:
    """What both faces share: the assembled parts, and how arguments become a request."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        upstream: Upstream | str | None = None,
        brought: Brought | None = None,
        clock: Callable[[], float] = time.time,
        **overrides: Any,
    ) -> None:
        """Options override settings; `upstream` is a setting too, or the thing itself; `brought`: other such things."""
        if isinstance(upstream, str):
            overrides["upstream"] = upstream
        self.settings = (settings or load_settings()).with_arguments(**overrides)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.assembly: Assembly = assemble(self.settings, clock=clock, brought=brought)
        self.upstream: Upstream = (
            open_upstream(self.settings, self.assembly.prices, clock=clock)
            if upstream is None or isinstance(upstream, str)
            else upstream
        )

    def request(  # noqa: PLR0913 - the fields of Claude's API and of our directives
        self,
        question: str | Sequence[Json],
        *,
        model: str = DEFAULT_MODEL,
        max_tokens: int = DEFAULT_MAX_TOKENS,
        system: str | Sequence[Json] | None = None,
        history: Sequence[Json] = (),
        namespace: str | None = None,
        api_key: str | None = None,
        mode: Mode | str = Mode.SEMANTIC,
        tags: Sequence[str] = (),
        no_cache: bool = False,
        no_store: bool = False,
        only_if_cached: bool = False,
        max_age_seconds: float | None = None,
        task: str = "",
        strategies: str | None = None,
        check: Callable[[str], bool] | None = None,
        **body: Any,
    ) -> Request:
        """A Messages request that asks `question` (a text, or content blocks) after `history`.

        `task` says what kind of work it is, `strategies` which may be used (as in the header), `check` whether the
        text of a cheaper model's answer will do; where it will not, a stronger one is asked.
        """
        content = question if isinstance(question, str) else list(question)
        turns = [*history, {"role": "user", "content": content}]
        fields = {"model": model, "max_tokens": max_tokens, "messages": turns, **body}
        if system is not None:
            fields["system"] = system if isinstance(system, str) else list(system)
        directives = Directives(
            Mode(mode),
            no_cache,
            no_store,
            only_if_cached,
            max_age_seconds,
            tags=tuple(sorted(set(tags))),
            task=task,
            strategies=read_wish(strategies),
            check=check,
        )
        credential = api_key or self.settings.anthropic_api_key or ""
        if not credential and self.upstream.name == SIMULATOR:
            credential = SIMULATOR  # as strict as Claude about there being one, and content with any
        headers: Headers = (("content-type", "application/json"), ("anthropic-version", DEFAULT_VERSION))
        if credential:
            headers += (("x-api-key", credential),)
        caller = self.assembly.tenants.local(credential, namespace=namespace)
        return Request(body=fields, caller=caller, directives=directives, headers=headers)

    def learn_with(self, send: Send) -> None:
        """Let learning begin in the background; `send` asks upstream, blocking."""
        self.assembly.learning.start(send)

    def learn_in_this_loop(self, flights: Flights) -> None:
        """The same, asking through the running event loop; from the first call on."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self.learn_with(blocking_send(flights, self._loop))

    def flights(self) -> Flights:
        """The calls in flight of one event loop."""
        return Flights(
            self.upstream,
            coalesce=self.settings.coalesce,
            recall=self.assembly.cache.just_stored,
            turns=self.assembly.turns,
        )

    def close(self) -> None:
        self.assembly.close()


class Curating:
    """The calls that never wait for Claude: the same in both faces."""

    parts: Parts

    def lookup(self, question: str | Sequence[Json], **options: Any) -> Lookup:
        """What would happen to this question: Hit, Miss or Bypass, with its reason. Nothing is sent or counted."""
        return self.parts.assembly.cache.lookup(self.parts.request(question, **options))

    def put(self, question: str, answer: str | Json, **options: Any) -> Entry | None:
        """Store an answer (a text, or a message in Claude's shape); None where the decision forbids it."""
        request = self.parts.request(question, **options)
        if isinstance(answer, str):
            usage = {"input_tokens": 0, "output_tokens": 0}
            message = text_message(answer, model=request.model, message_id=new_message_id(), usage=usage)
        else:
            message = Message(answer)
        return self.parts.assembly.cache.remember(request, message)

    def import_faq(  # noqa: PLR0913 - where the file is and where it belongs
        self,
        source: Path | str,
        *,
        format: FaqFormat | None = None,
        namespace: str = "default",
        model: str | None = None,
        system: str | None = None,
        tags: Sequence[str] = (),
        on_progress: Callable[[int], None] | None = None,
    ) -> ImportReport:
        """Import a FAQ from a CSV, JSONL or Markdown file. Idempotent; errors carry line numbers."""
        narrowed = None if system is None else system_digest(Request({"system": system}))
        into = Narrowing(namespace, model, narrowed)
        rows = read_faq(Path(source), format=format)
        return curation.import_faq(
            self.parts.assembly.cache, rows, into=into, tags=tuple(tags), on_progress=on_progress
        )

    def feedback(self, reference: str, *, right: bool, question: str | None = None) -> Correction | None:
        """Say that an answer was right or wrong. None: there is no such entry, message or request.

        `reference` is the id of an entry, or of a message or request that it was served or stored under; `question`
        the one it answered, if another than is known. A wrong answer is not served for it, or near it, again.
        """
        cache = self.parts.assembly.cache
        judged = find_judged(cache, reference, question=question)
        return None if judged is None else correct(cache, judged, right=right)

    def purge(
        self, *, near: str | None = None, similarity: float = 0.85, dry_run: bool = False, **conditions: Any
    ) -> int:
        """Remove entries by namespace, tag, model, kind, created_before, entry_ids, or nearness to a text."""
        unknown = set(conditions) - set(Selection.__dataclass_fields__)
        if unknown:
            raise InvalidRequest(f"purge: unknown condition {', '.join(sorted(unknown))}")
        return curation.purge(
            self.parts.assembly.cache, Selection(**conditions), near=near, similarity=similarity, dry_run=dry_run
        )

    def reembed(self, *, on_progress: Callable[[int], None] | None = None) -> int:
        """After a change of the embedding model: make old questions findable again; the number of entries."""
        return curation.reembed(self.parts.assembly.cache, on_progress=on_progress)

    def settle(self, timeout_seconds: float | None = None) -> bool:
        """Wait until all that has been answered so far has also been learned from; False: not in that time."""
        return self.parts.assembly.learning.settle(timeout_seconds)

    def quality(self, namespace: str | None = None) -> QualityReport:
        """What is known of the answers served from memory: the certificate, the budget, the alarm, shadow figures."""
        return quality_of(self.parts.assembly.learning.book, namespace, now=self.parts.assembly.cache.now())

    def routes(self, namespace: str | None = None) -> list[tuple[str, CategoryReport]]:
        """What is proven of cheaper models, by namespace and kind of request."""
        assembly = self.parts.assembly
        return assembly.routing.memory.book.reports(assembly.cache.now(), namespace)

    def explain_route(self, question: str | Sequence[Json], **options: Any) -> RouteExplanation:
        """Where this question would go if it were not answered from memory, and why. Nothing is sent."""
        return self.explain_sending(question, **options).route

    def explain_sending(self, question: str | Sequence[Json], **options: Any) -> Sending:
        """The same, with the ways to send it and their prices."""
        request, assembly = self.parts.request(question, **options), self.parts.assembly
        path = assembly.miss_path
        informed_request = informed(request, assembly.cache.lookup(request))
        return explain_sending(assembly.routing.chooser, path.forms, path.budget, path.shaping, informed_request)

    def explain(self, lookup: Lookup, *, namespace: str = "default") -> Explanation:
        """Why a lookup came out as it did, in words."""
        return explain(lookup, self.parts.assembly.learning.beliefs(namespace))

    def stats(self) -> StoreStats:
        """How full the store is."""
        self.parts.assembly.store.flush()
        return self.parts.assembly.store.stats()

    def savings(self, query: LedgerQuery = EVERYTHING, *, prices_of: date | None = None) -> SavingsReport:
        """What was saved, and by which strategy; `prices_of`: as if that day's prices had held."""
        assembly = self.parts.assembly
        assembly.ledger.flush()
        price = None if prices_of is None else price_on(assembly.prices, prices_of)
        return savings_of(assembly.store, query, now=assembly.cache.now(), price=price)
