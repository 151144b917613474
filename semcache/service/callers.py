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

from semcache.cache import informed
from semcache.canonical import identify, system_digest
from semcache.client import DEFAULT_MAX_TOKENS, DEFAULT_MODEL
from semcache.entry import Bypass, Entry, Kind, Lookup
from semcache.errors import NotAllowed
from semcache.feedback import correct, find_judged
from semcache.learning.explaining import explain
from semcache.request import Caller, Json
from semcache.request import Request as MessagesRequest
from semcache.search import UNAVAILABLE
from semcache.service.admin import NoSuchEntry
from semcache.service.bodies import FeedbackBody
from semcache.service.quality_views import correction_view, explanation_view
from semcache.service.route_views import sending_view
from semcache.service.routes import CallerRoute, TheService
from semcache.service.service import Service
from semcache.service.views import lookup_view
from semcache.strategies.explaining import explain_sending
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
        assembly, namespace = service.parts.assembly, wanted.caller.namespace
        if assembly is None:
            return Bypass(UNAVAILABLE), lookup_view(Bypass(UNAVAILABLE), identify(wanted))
        lookup = assembly.cache.lookup(wanted)
        shows = service.gate.admits(request.scope) or not service.settings.namespace(namespace).shared
        explained = explain(lookup, assembly.learning.beliefs(namespace))
        explanation = explanation_view(explained, shows_wordings=shows)
        path = assembly.miss_path
        sending = explain_sending(
            assembly.routing.chooser, path.forms, path.budget, path.shaping, informed(wanted, lookup)
        )
        view = {**lookup_view(lookup, identify(wanted)), "explanation": explanation, **sending_view(sending)}
        view["identity"]["system"] = system_digest(wanted)
        return lookup, view

    lookup, view = await run_in_threadpool(work)
    for name, value in (("cache-status", cache_status(lookup)), *lookup_headers(lookup)):
        response.headers[name] = value
    return view


@router.post("/feedback")
def feedback(body: FeedbackBody, request: Request, service: TheService) -> Json:
    """Say that an answer was right or wrong: of an entry, or as it was served under a message or request id."""
    cache = service.parts.cache_parts.cache
    field, reference = body.reference
    judged = find_judged(cache, reference, question=body.question)
    is_operator = service.gate.admits(request.scope)
    if not is_operator:
        headers = lower_headers(request.scope["headers"])
        caller = service.parts.tenants.admit(headers, namespace=request.headers.get("x-semcache-namespace"))
        if judged is not None and not _may_see(service, caller, judged.entry):
            judged = None
    if judged is None:
        raise NoSuchEntry(field)
    is_common = _is_common(service, judged.entry)
    if is_common and not is_operator and (body.is_right or judged.is_own_question):
        raise NotAllowed(
            "feedback: this answer is shared; callers may say that it is wrong for another question, "
            "anything else needs the admin key",
            authenticated=True,
        )
    correction = correct(cache, judged, right=body.is_right)
    return correction_view(correction, shows_texts=is_operator or not is_common)


def _may_see(service: Service, caller: Caller, entry: Entry) -> bool:
    if entry.scope.namespace != caller.namespace:
        return False
    return _is_common(service, entry) or entry.credential == caller.credential


def _is_common(service: Service, entry: Entry) -> bool:
    return entry.kind is Kind.FAQ or service.settings.namespace(entry.scope.namespace).shared


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
