"""The page and its files over HTTP: for browsers only, from this service only, and never a path beyond."""

from __future__ import annotations

import re
from importlib.resources import files

import httpx2
import pytest
from worlds import MODEL, RESET, REWORDED, World

PREFIX = "/semcache/dashboard"
_NAMED = re.compile(rf'(?:"{PREFIX}|from "\.)/([\w.-]+)"')


@pytest.fixture(scope="module")
def page(lasting_world: World) -> str:
    return get(lasting_world, "/", accept="text/html").text


def get(world: World, path: str, **headers: str) -> httpx2.Response:
    return httpx2.get(f"{world.url}{path}", headers=headers, trust_env=False)


def test_browsers_get_the_page_and_programs_the_links(lasting_world: World) -> None:
    page = get(lasting_world, "/", accept="text/html,*/*")
    links = get(lasting_world, "/", accept="application/json")
    assert page.headers["content-type"].startswith("text/html")
    assert links.json()["name"] == "semcache"


def test_nothing_may_come_from_elsewhere_and_no_text_may_become_markup(lasting_world: World) -> None:
    for path in ("/", f"{PREFIX}/main.js"):
        policy = get(lasting_world, path, accept="text/html").headers["content-security-policy"].split("; ")
        allowed = {rule.split(" ", 1)[0]: rule.split(" ", 1)[1] for rule in policy}
        assert allowed["default-src"] == "'none'"
        assert {allowed[f"{kind}-src"] for kind in ("script", "style", "img", "connect")} == {"'self'"}
        assert allowed["require-trusted-types-for"] == "'script'"
        assert (allowed["form-action"], allowed["frame-ancestors"]) == ("'none'", "'none'")


def test_the_page_holds_no_script_or_style_of_its_own(page: str) -> None:
    assert re.findall(r"<script[^>]*>[^<]+", page) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:", page) == []
    assert re.findall(r"https?://", page) == []


def test_every_file_that_is_named_is_served_and_every_file_that_is_shipped_is_named(
    lasting_world: World, page: str
) -> None:
    known: set[str] = set()
    texts = [page]
    while texts:
        named = set(_NAMED.findall(texts.pop())) - known
        known |= named
        answers = [get(lasting_world, f"{PREFIX}/{name}") for name in sorted(named)]
        assert [answer.status_code for answer in answers] == [200] * len(answers)
        texts += [answer.text for answer in answers]
    shipped = files("semcache.service").joinpath("dashboard")
    found = [each.name for folder in (shipped, shipped / "vendor") for each in folder.iterdir() if each.is_file()]
    assert known == set(found) - {"index.html", "README.md", "LICENSE.uplot"}


def test_the_vendored_chart_library_is_the_one_that_is_named_with_its_licence() -> None:
    vendor = files("semcache.service").joinpath("dashboard", "vendor")
    version = re.search(r"\(v([\d.]+)\)", (vendor / "uplot.js").read_text("utf-8"))
    assert version is not None
    assert f"uPlot {version[1]} (MIT" in (vendor / "README.md").read_text("utf-8")
    assert "Permission is hereby granted, free of charge" in (vendor / "LICENSE.uplot").read_text("utf-8")


def test_a_file_that_has_not_changed_is_not_sent_again(lasting_world: World) -> None:
    first = get(lasting_world, f"{PREFIX}/main.js")
    again = get(lasting_world, f"{PREFIX}/main.js", **{"if-none-match": first.headers["etag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")


@pytest.mark.parametrize("name", ["..%2f..%2fapp.py", "vendor%2fuplot.js", "index.html", "README.md", "main.py"])
def test_no_other_file_can_be_read(lasting_world: World, name: str) -> None:
    assert get(lasting_world, f"{PREFIX}/{name}").status_code == 404


def test_the_page_is_for_everybody_and_what_it_shows_for_the_operator(world: World) -> None:
    assert get(world, "/", accept="text/html", host="cache.example").status_code == 200
    assert get(world, "/semcache/v1/decisions", host="cache.example").status_code == 403


def test_no_browser_keeps_what_the_operator_sees(world: World) -> None:
    assert get(world, "/semcache/v1/entries").headers["cache-control"] == "no-store"


def test_decisions_tell_what_became_of_requests_and_never_a_text(world: World) -> None:
    world.ask(RESET)
    world.ask(RESET)
    world.ask("Tell me a story.", headers={"cache-control": "no-store"})
    raw = get(world, "/semcache/v1/decisions?limit=3")
    _, repeat, first = raw.json()["decisions"]
    assert (repeat["outcome"], first["outcome"]) == ("exact", "miss")
    assert (repeat["why"], first["why"]) == ("asked before in exactly this form", "nothing similar is stored")
    assert repeat["entry"] == first["entry"]
    assert repeat["saved_usd"] == first["cost_usd"] > 0
    assert repeat["model"] == MODEL
    assert "password" not in raw.text
    assert "story" not in raw.text


def test_the_latest_decisions_are_kept_and_no_more(world: World) -> None:
    for _ in range(3):
        world.ask(REWORDED)
    assert len(get(world, "/semcache/v1/decisions?limit=2").json()["decisions"]) == 2
    assert get(world, "/semcache/v1/decisions?limit=501").status_code == 400


def test_the_most_used_answers_come_first_where_that_is_wanted(world: World) -> None:
    for question in (RESET, RESET, RESET, "Where can I see my invoices?"):
        world.ask(question)
    world.http("GET", "/semcache/v1/stats")  # writes the hits that are buffered
    by = {order: get(world, f"/semcache/v1/entries?order={order}").json()["entries"] for order in ("newest", "hits")}
    assert by["hits"][0]["question"] == RESET == by["newest"][1]["question"]
    assert get(world, "/semcache/v1/entries?order=size").status_code == 400


def test_limits_are_told_before_anything_is_spent(make_world) -> None:
    world = make_world(usd_per_day=2.0)
    limited = get(world, "/semcache/v1/savings").json()["limited_today"]
    limit = {"usd_per_day": 2.0, "tokens_per_day": None}
    assert limited == {"service": {"usd": 0.0, "tokens": 0, "limit": limit, "used_share": 0.0}}


def test_batches_are_told_without_their_owner(world: World) -> None:
    assert get(world, "/semcache/v1/batches").json() == {"batches": [], "own_jobs": 0}
    body = {"requests": [{"custom_id": "mine", "params": {"model": MODEL, "max_tokens": 9, "messages": []}}]}
    body["requests"][0]["params"]["messages"] = [{"role": "user", "content": RESET}]  # type: ignore[index]
    assert world.http("POST", "/v1/messages/batches", json=body).status_code == 200
    raw = get(world, "/semcache/v1/batches")
    assert [each["total"] for each in raw.json()["batches"]] == [1]
    assert "mine" not in raw.text
