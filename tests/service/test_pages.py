"""The page and its files over HTTP: for browsers only, from this service only, and never a path beyond."""

from __future__ import annotations

import httpx2
import pytest
from worlds import MODEL, RESET, World

PREFIX = "/semcache/dashboard"


def get(world: World, path: str, **headers: str) -> httpx2.Response:
    return httpx2.get(f"{world.url}{path}", headers=headers, trust_env=False)


def test_browsers_get_the_page_and_programs_the_links(world: World) -> None:
    page, links = get(world, "/", accept="text/html,*/*"), get(world, "/", accept="application/json")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert links.json()["name"] == "semcache"


def test_the_page_names_nothing_that_is_not_there_and_nothing_from_elsewhere(world: World) -> None:
    page = get(world, "/", accept="text/html").text
    named = [part.split('"')[0] for part in page.split(f'"{PREFIX}/')[1:]]
    assert len(named) == 4
    assert all(get(world, f"{PREFIX}/{name}").status_code == 200 for name in named)
    assert "http://" not in page
    assert "https://" not in page


def test_a_file_that_has_not_changed_is_not_sent_again(world: World) -> None:
    first = get(world, f"{PREFIX}/main.js")
    again = get(world, f"{PREFIX}/main.js", **{"if-none-match": first.headers["etag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")


@pytest.mark.parametrize("name", ["..%2f..%2fapp.py", "vendor%2fuplot.js", "index.html", "README.md", "main.py"])
def test_no_other_file_can_be_read(world: World, name: str) -> None:
    assert get(world, f"{PREFIX}/{name}").status_code == 404


def test_decisions_tell_what_became_of_requests_and_never_a_text(world: World) -> None:
    world.ask(RESET)
    world.ask(RESET)
    raw = get(world, "/semcache/v1/decisions?limit=2")
    newest, first = raw.json()["decisions"]
    assert (newest["outcome"], first["outcome"]) == ("exact", "miss")
    assert newest["saved_usd"] == first["cost_usd"] > 0
    assert newest["model"] == MODEL
    assert "password" not in raw.text


def test_batches_under_way_are_told_without_their_owner(world: World) -> None:
    assert get(world, "/semcache/v1/batches").json() == {"batches": []}
