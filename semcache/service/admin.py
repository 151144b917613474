"""The operator's endpoints under /semcache/v1: entries, import, purge, stats, savings, quality, audits."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from semcache import curation
from semcache.canonical import system_digest
from semcache.curation import Narrowing
from semcache.entry import Entry, Kind
from semcache.errors import InvalidRequest
from semcache.faq import FaqError, FaqFormat, FaqRow, read_faq
from semcache.faq.rows import checked
from semcache.learning.audit_log import recent_audits
from semcache.learning.quality import quality_of
from semcache.message import Message
from semcache.request import Json
from semcache.request import Request as MessagesRequest
from semcache.savings import savings_of
from semcache.savings_view import savings_csv, savings_view
from semcache.search import faq_key
from semcache.service.bodies import EditBody, FaqBody, KindName, PurgeBody, SavingsQuery
from semcache.service.quality_views import audit_view, quality_view
from semcache.service.route_views import route_report_view
from semcache.service.routes import AdminRoute, TheService
from semcache.service.service import SAVE_SECONDS, SYNC_SECONDS
from semcache.service.views import batch_view, entry_view, exemplar_view, import_view
from semcache.stores.batch_store import counted
from semcache.stores.paging import Order
from semcache.stores.store import Selection
from semcache.tariff import price_on
from semcache.wire import read_tags

_MOST_CREDENTIALS = 50  # that are shown with what they have spent

router = APIRouter(prefix="/semcache/v1", route_class=AdminRoute, tags=["admin"])

_FORMATS = {
    "text/csv": FaqFormat.CSV,
    "text/tab-separated-values": FaqFormat.CSV,
    "application/jsonl": FaqFormat.JSONL,
    "application/x-jsonlines": FaqFormat.JSONL,
    "application/x-ndjson": FaqFormat.JSONL,
    "application/json": FaqFormat.JSONL,
    "text/markdown": FaqFormat.MARKDOWN,
}


class NoSuchEntry(InvalidRequest):
    """There is no live entry with this id, or none that answered under it."""

    def __init__(self, field: str = "entry") -> None:
        said = "there is none with this id" if field == "entry" else "no stored answer was given under this id"
        super().__init__(f"{field}: {said}; it may have expired or been purged")


@router.get("/entries")
def list_entries(  # noqa: PLR0913 - one for each condition
    service: TheService,
    *,
    namespace: str | None = None,
    tag: str | None = None,
    model: str | None = None,
    kind: KindName | None = None,
    text: str | None = None,
    order: Order = Order.NEWEST,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: str | None = None,
) -> Json:
    """Live entries that meet every given condition, the newest first, or those with the most hits."""
    selection = Selection(namespace=namespace, tag=tag, model=model, kind=_kind(kind), text=text)
    page = service.parts.cache_parts.store.page(selection, limit=limit, cursor=cursor, order=order)
    return {"entries": [entry_view(entry) for entry in page.entries], "next_cursor": page.next_cursor}


@router.get("/entries/{entry_id}")
def show_entry(entry_id: str, service: TheService) -> Json:
    """One entry with its message and the questions it is known for."""
    return _shown(service, _found(service, entry_id))


@router.put("/entries")
def put_faq_entry(body: FaqBody, service: TheService) -> Json:
    """Create a curated answer, or replace that to the same question in the same place."""
    cache = service.parts.cache_parts.cache
    tags = read_tags(",".join(body.tags))
    row = checked(FaqRow(body.question, body.answer, tags, variants=body.variants, line=1))
    if isinstance(row, FaqError):
        raise InvalidRequest(row.problem)
    into = _narrowing(body.namespace, body.model, body.system)
    report = curation.import_faq(cache, [row], into=into)
    entry = cache.store.get_exact(into.scope, faq_key(into.scope, row.question))
    shown = {} if entry is None else _shown(service, entry)
    return {**shown, "outcome": "added" if report.added else "updated" if report.updated else "unchanged"}


@router.put("/entries/{entry_id}")
def edit_entry(entry_id: str, body: EditBody, service: TheService) -> Json:
    """Correct the answer, or the tags, of any entry. The questions it is known for stay."""
    store = service.parts.cache_parts.store
    entry = _found(service, entry_id)
    if body.answer is not None:
        content = [{"type": "text", "text": body.answer}]
        entry = replace(entry, message=Message({**entry.message.body, "content": content}))
    if body.tags is not None:
        entry = replace(entry, tags=read_tags(",".join(body.tags)))
    return _shown(service, store.put(entry, store.exemplars(entry_id)))


@router.delete("/entries/{entry_id}")
def delete_entry(entry_id: str, service: TheService) -> Json:
    """Forget one entry and all questions it is known for."""
    if not service.parts.cache_parts.store.delete(Selection(entry_ids=(entry_id,))):
        raise NoSuchEntry
    return {"deleted": entry_id}


@router.post("/import")
async def import_file(  # noqa: PLR0913 - where it belongs
    request: Request,
    service: TheService,
    *,
    format: FaqFormat | None = None,
    namespace: str = "default",
    model: str | None = None,
    system: str | None = None,
    tags: str = "",
) -> Json:
    """Import a FAQ: the file is the body, its format the content type or `?format=csv|jsonl|markdown`.

    The same file again changes nothing. A row in error is reported with its line and loses no other.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    text = (await request.body()).decode("utf-8", "surrogateescape")
    cache, into, named = service.parts.cache_parts.cache, _narrowing(namespace, model, system), read_tags(tags)

    def work() -> Json:
        rows = read_faq(text, format=format or _FORMATS.get(content_type))
        return import_view(curation.import_faq(cache, rows, into=into, tags=named))

    return await run_in_threadpool(work)


@router.post("/purge")
def purge(body: PurgeBody, service: TheService) -> Json:
    """Remove what meets every condition; with `dry_run`, only count it."""
    cache = service.parts.cache_parts.cache
    created_before = body.created_before
    if body.older_than_seconds is not None:
        created_before = cache.now() - body.older_than_seconds
    selection = Selection(
        namespace=body.namespace,
        tag=body.tag,
        model=body.model,
        kind=_kind(body.kind),
        created_before=created_before,
        entry_ids=body.entry_ids,
        text=body.text,
    )
    if selection == Selection() and body.near is None:
        raise InvalidRequest("purge: name at least one condition; to remove everything, purge by namespace")
    removed = curation.purge(cache, selection, near=body.near, similarity=body.similarity, dry_run=body.dry_run)
    return {"removed": removed, "dry_run": body.dry_run}


@router.get("/stats")
def stats(service: TheService) -> Json:
    """How full the store is, and what it runs on."""
    assembly = service.parts.cache_parts
    assembly.store.flush()
    return {
        **asdict(assembly.store.stats()),
        "embedder": assembly.embedder.name,
        "fingerprint": assembly.embedder.fingerprint,
        "upstream": service.upstream_name,
        "mode": service.settings.mode.value,
        "fault": service.fault or None,
    }


@router.get("/savings")
def savings(service: TheService, asked: Annotated[SavingsQuery, Query()]) -> Any:
    """What requests cost and would have cost, and which strategy saved how much."""
    assembly = service.parts.cache_parts
    assembly.ledger.flush()
    assembly.catch_up()
    now = assembly.cache.now()
    price = None if asked.prices_of is None else price_on(assembly.prices, asked.prices_of)
    report = savings_of(assembly.store, asked.query(), now=now, price=price)
    spent = assembly.spending.standings(now=now, most=_MOST_CREDENTIALS)
    today = {account: {**asdict(each), "used_share": each.used_share} for account, each in spent.items()}
    if asked.format == "csv":
        return Response(savings_csv(report), media_type="text/csv; charset=utf-8")
    path = assembly.miss_path
    breakers = [{**asdict(each), "says": each.says()} for each in path.shaping.caching.breakers.all()]
    brevity = [asdict(each) for each in path.brief.brevity.measured()]
    learned = {"limited_today": today, "breaks_prefix": breakers, "brevity": brevity}
    late = {"limited_today": SYNC_SECONDS, "breaks_prefix": SAVE_SECONDS, "brevity": SAVE_SECONDS}
    return {**savings_view(report), **learned, "others_within_seconds": _others(service, late)}


@router.get("/decisions")
def decisions(service: TheService, limit: Annotated[int, Query(ge=1, le=500)] = 100) -> Json:
    """The latest decisions, newest first: what became of each request, why, and what it cost.

    With several workers, of all of them; what another has decided within the last second may be missing.
    """
    return {"decisions": service.recent.newest(limit)}


@router.get("/batches")
def batches(service: TheService, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> Json:
    """The newest batches, whoever's they are: how far they are, never what they hold.

    `own_jobs`: audits, judgements, comparisons and refreshes that wait to become one.
    """
    if service.office is None:
        return {"batches": [], "own_jobs": 0}
    kept = service.office.batches
    views = [batch_view(each, counts) for each, counts in counted(kept, kept.newest(limit=limit))]
    return {"batches": views, "own_jobs": service.office.room.waiting}


@router.get("/quality")
def quality(service: TheService, namespace: str | None = None) -> Json:
    """What is known of the answers served from memory: certificate, budget, caution, and what going live would give."""
    assembly = service.parts.cache_parts
    now = assembly.cache.now()
    routes = [route_report_view(*each) for each in assembly.routing.memory.book.reports(now, namespace)]
    view = quality_view(quality_of(assembly.learning.book, namespace, now=now))
    late = {"namespaces": SYNC_SECONDS, "routes": SAVE_SECONDS}
    return {**view, "routes": routes, "others_within_seconds": _others(service, late)}


@router.get("/audits")
def audits(
    service: TheService, namespace: str | None = None, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> Json:
    """The newest audits: served hits that were asked again upstream, and what came of it."""
    found = recent_audits(service.parts.cache_parts.store, namespace, limit=limit)
    return {"audits": [audit_view(each) for each in found]}


def _others(service: TheService, late: Json) -> Json | None:
    """How late each part may be about what other processes have learned, in seconds; None: there are none."""
    return late if service.parts.cache_parts.store.is_shared else None


def _found(service: TheService, entry_id: str) -> Entry:
    entry = service.parts.cache_parts.store.get(entry_id)
    if entry is None:
        raise NoSuchEntry
    return entry


def _shown(service: TheService, entry: Entry) -> dict[str, Any]:
    exemplars = service.parts.cache_parts.store.exemplars(entry.id)
    return {
        **entry_view(entry),
        "message": entry.message.body,
        "exemplars": [exemplar_view(each) for each in exemplars],
    }


def _narrowing(namespace: str, model: str | None, system: str | None) -> Narrowing:
    return Narrowing(namespace, model, None if system is None else system_digest(MessagesRequest({"system": system})))


def _kind(name: KindName | None) -> Kind | None:
    return None if name is None else Kind(name)
