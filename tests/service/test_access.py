"""Admin endpoints need the key, or a caller who sits at this machine and is no web page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from worlds import World

from semcache.errors import NotAllowed
from semcache.service.access import AdminGate, is_loopback
from semcache.settings import Settings

KEY = "correct-horse"
ADMIN = [
    ("GET", "/semcache/v1/entries"),
    ("GET", "/semcache/v1/entries/ent_1"),
    ("PUT", "/semcache/v1/entries"),
    ("PUT", "/semcache/v1/entries/ent_1"),
    ("DELETE", "/semcache/v1/entries/ent_1"),
    ("POST", "/semcache/v1/import"),
    ("POST", "/semcache/v1/purge"),
    ("GET", "/semcache/v1/stats"),
    ("GET", "/semcache/v1/savings"),
    ("GET", "/metrics"),
]


def scope(*, peer: str = "127.0.0.1", host: str = "127.0.0.1:8080", **headers: str) -> dict[str, Any]:
    given = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return {"client": (peer, 5), "headers": [(name.encode(), value.encode()) for name, value in given.items()]}


@pytest.mark.parametrize(("method", "path"), ADMIN)
def test_with_an_admin_key_every_admin_endpoint_asks_for_it(
    make_world: Callable[..., World], method: str, path: str
) -> None:
    answer = make_world(admin_key=KEY).http(method, path)
    assert (answer.status_code, answer.json()["error"]["type"]) == (401, "authentication_error")
    assert KEY not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"x-semcache-admin-key": KEY}, id="own header"),
        pytest.param({"authorization": f"Bearer {KEY}"}, id="bearer"),
    ],
)
def test_the_admin_key_opens_them(make_world: Callable[..., World], headers: dict[str, str]) -> None:
    world = make_world(admin_key=KEY)
    assert world.http("GET", "/semcache/v1/stats", headers=headers).status_code == 200
    assert world.http("GET", "/metrics", headers=headers).status_code == 200


def test_the_admin_key_works_from_anywhere() -> None:
    gate = AdminGate(Settings(host="0.0.0.0", admin_key=KEY))
    gate.admit(scope(peer="203.0.113.9", host="cache.example", x_semcache_admin_key=KEY))
    with pytest.raises(NotAllowed):
        gate.admit(scope(x_semcache_admin_key=KEY + "x"))


@pytest.mark.parametrize(
    ("settings", "visit"),
    [
        pytest.param({"host": "0.0.0.0"}, {}, id="bound to the network"),
        pytest.param({}, {"peer": "203.0.113.9"}, id="from the network"),
        pytest.param({}, {"host": "rebound.example:8080"}, id="a rebound name"),
        pytest.param({}, {"host": ""}, id="no host"),
        pytest.param({}, {"x_forwarded_for": "203.0.113.9"}, id="behind a proxy"),
        pytest.param({}, {"forwarded": "for=203.0.113.9"}, id="behind another proxy"),
        pytest.param({}, {"origin": "https://evil.example"}, id="a page of another site"),
        pytest.param({}, {"origin": "null"}, id="a page without a site"),
        pytest.param({}, {"origin": "http://localhost:3000"}, id="a page of another port"),
        pytest.param({}, {"sec_fetch_site": "cross-site"}, id="a browser that says so"),
    ],
)
def test_without_a_key_only_this_machine_is_let_in(settings: dict[str, Any], visit: dict[str, str]) -> None:
    with pytest.raises(NotAllowed) as refusal:
        AdminGate(Settings(**settings)).admit(scope(**visit))
    assert refusal.value.authenticated


@pytest.mark.parametrize(
    "visit",
    [
        pytest.param({}, id="plain"),
        pytest.param({"host": "localhost"}, id="by name"),
        pytest.param({"peer": "::1", "host": "[::1]:8080"}, id="IPv6"),
        pytest.param({"peer": "::ffff:127.0.0.1"}, id="mapped"),
        pytest.param({"origin": "http://127.0.0.1:8080", "sec_fetch_site": "same-origin"}, id="our own page"),
    ],
)
def test_this_machine_is_let_in_without_a_key(visit: dict[str, str]) -> None:
    AdminGate(Settings()).admit(scope(**visit))


@pytest.mark.parametrize("host", ["0.0.0.0", "localhost.evil.example", "10.0.0.1", "", "127.0.0.1.evil.example"])
def test_nothing_else_passes_for_this_machine(host: str) -> None:
    assert not is_loopback(host)


def test_a_foreign_page_cannot_spend_the_services_own_key(world: World) -> None:
    page = {"origin": "https://evil.example", "anthropic-version": "2026-10-21"}
    refused = httpx2.post(f"{world.url}/v1/messages", headers=page, content=b"{}", trust_env=False)
    assert (refused.status_code, refused.json()["error"]["type"]) == (403, "permission_error")
    assert world.http("GET", "/v1/models", headers=page).status_code == 200  # it brings a key of its own
