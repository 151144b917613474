"""Endpoints for callers: what would happen to a request, and a word on an answer.

Both see with the caller's own credential, exactly as a request of his would. Whoever passes the
admin gate may leave out the service key, and may judge every entry.

Feedback of a caller counts fully for answers that his own credential caused. What others are served
too (FAQ entries, shared namespaces) he can only tighten: "wrong for this other question". Whatever
he cannot see does not exist for him.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from semcache.canonical import identify
from semcache.client import DEFAULT_MAX_TOKENS, DEFAULT_MODEL
from semcache.entry import Bypass, Kind, Lookup
from semcache.errors import NotAllowed
from semcache.feedback import Judged, correct, find_judged
from semcache.request import Caller, Json
from semcache.request import Request as MessagesRequest
from semcache.search import UNAVAILABLE
from semcache.service.admin import NoSuchEntry
from semcache.service.bodies import FeedbackBody
from semcache.service.routes import CallerRoute, TheService
from semcache.service.service import Service
from semcache.service.views import correction_view, lookup_view
from semcache.tenants import Tenants
from semcache.wire import cache_status, lookup_headers, lower_headers, read_request

router = APIRouter(prefix="/semcache/v1", route_class=CallerRoute, tags=["callers"])

_QUESTION_DEFAULTS: Json = {"model": DEFAULT_MODEL, "max_tokens": DEFAULT_MAX_TOKENS}


@router.post("/lookup")
async def explain_lookup(request: Request, service: TheService, response: Response) -> Json:
    """What would happen to this Messages request, and why. Nothing is sent, stored or counted.

    The body is one of `/v1/messages`, or `{"question": "…"}` with any of its other fields.
    """
    raw, headers = await request.body(), lower_headers(request.scope["headers"])
    query, limit = request.url.query, service.settings.max_request_bytes

    def work() -> tuple[Lookup, Json]:
        wanted = read_request(raw, headers, _tenants(service, request), query=query, max_bytes=limit)
        wanted = _asked(wanted)
        assembly = service.parts.assembly
        lookup = Bypass(UNAVAILABLE) if assembly is None else assembly.cache.lookup(wanted)
        return lookup, lookup_view(lookup, identify(wanted))

    lookup, view = await run_in_threadpool(work)
    for name, value in (("cache-status", cache_status(lookup)), *lookup_headers(lookup)):
        response.headers[name] = value
    return view


@router.post("/feedback")
def feedback(body: FeedbackBody, request: Request, service: TheService) -> Json:
    """Say that an answer was right or wrong, and learn what else that concerns.

    The answer is named by its entry, its message or its request; the question is the one it was served for.
    """
    cache = service.parts.cache_parts.cache
    judged = find_judged(cache, body.reference, question=body.question)
    sees_all = service.gate.admits(request.scope)
    if not sees_all:
        headers = lower_headers(request.scope["headers"])
        caller = service.parts.tenants.admit(headers, namespace=request.headers.get("x-semcache-namespace"))
        _check_may_judge(service, caller, judged, is_right=body.is_right)
    if judged is None:
        raise NoSuchEntry
    is_private = (
        judged.entry.kind is not Kind.FAQ and not service.settings.namespace(judged.entry.scope.namespace).shared
    )
    return correction_view(correct(cache, judged, right=body.is_right), shows_questions=sees_all or is_private)


def _check_may_judge(service: Service, caller: Caller, judged: Judged | None, *, is_right: bool) -> None:
    if judged is None or judged.entry.scope.namespace != caller.namespace:
        raise NoSuchEntry
    entry, only_tightens = judged.entry, not is_right and not judged.is_own_question
    is_common = entry.kind is Kind.FAQ or service.settings.namespace(caller.namespace).shared
    if not is_common and entry.credential != caller.credential:
        raise NoSuchEntry
    if is_common and not only_tightens:
        raise NotAllowed(
            "feedback: this answer is shared; callers may say that it is wrong for another question, "
            "anything else needs the admin key",
            authenticated=True,
        )


def _tenants(service: Service, request: Request) -> Tenants:
    tenants = service.parts.tenants
    return tenants.for_library() if service.gate.admits(request.scope) else tenants


def _asked(request: MessagesRequest) -> MessagesRequest:
    """A bare question as the Messages request it stands for."""
    question = request.body.get("question")
    if "messages" in request.body or not isinstance(question, str):
        return request
    fields = {name: value for name, value in request.body.items() if name != "question"}
    turns = [{"role": "user", "content": question}]
    return MessagesRequest(
        {**_QUESTION_DEFAULTS, **fields, "messages": turns},
        caller=request.caller,
        directives=request.directives,
        headers=request.headers,
        query=request.query,
    )
