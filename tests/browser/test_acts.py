"""What a person does on the dashboard: every button does what it says, and nothing more."""

from __future__ import annotations

import time
from pathlib import Path

import httpx2
import pytest
from browser.pages import Page
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from service.worlds import World, served, settings
from store_samples import SCOPE, entry

from semcache.embedders.opening import open_embedder
from semcache.opening import open_settings_store
from semcache.samples import sample_faq
from semcache.service.app import create_app
from semcache.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
FAQ = sample_faq()
SHOP = {"x-semcache-namespace": "shop"}
KEY = "a-very-long-admin-key"
MARKUP = "<img src=x onerror=\"document.title='broken'\"><script>document.title = 'broken'</script> How long is a mile?"


def in_shop(world: World, question: str) -> httpx2.Response:
    return world.ask(question, headers=SHOP)


def opened_entry(page: Page, text: str) -> None:
    page.search(text, rows=1)
    page.click("#entry-table tbody button")
    page.until(lambda: page.is_open("entry-dialog"))


def test_the_look_up_box_says_what_would_happen_and_why(page: Page, busy: World) -> None:
    before = busy.calls
    page.type("#scope [name=namespace]", f"shop{Keys.TAB}")
    page.type("#lookup-form textarea[name=question]", "How can I turn on frost alerts?")
    page.press("Look up")
    page.shows("lookup-result", "It would be answered from memory.", FAQ[2].answer, "What was weighed")
    page.click("#lookup-result td summary")
    page.shows("lookup-result", "for (+")
    page.type("#lookup-form textarea[name=question]", "What is the airspeed of a swallow?")
    page.press("Look up")
    page.shows("lookup-result", "It would be sent to Claude.", "Not served", "Route:")
    assert busy.calls == before


def test_the_look_up_box_sees_with_a_callers_key_and_a_system_prompt(page: Page, busy: World) -> None:
    system, question = "You are a gardener.", "When do I sow basil outdoors?"
    busy.ask(question, system=system, model="claude-sonnet-5-5")
    page.type("#lookup-form textarea[name=question]", question)
    page.press("Look up")
    page.shows("lookup-result", "sent to Claude", "Asked without a caller")
    page.type("#lookup-form [name=key]", "key-of-anna")
    page.unfold("With a system prompt")
    page.type("#lookup-form [name=system]", system)
    page.press("Look up")
    page.shows("lookup-result", "answered from memory")
    page.press("Open this answer")
    page.until(lambda: page.text("entry-title") == question)
    page.press("Close", "#entry-dialog")


def test_a_look_up_that_cannot_be_sent_is_explained_in_its_place(page: Page) -> None:
    page.type("#lookup-form [name=key]", "ключ")
    page.type("#lookup-form textarea[name=question]", "Why?")
    page.press("Look up")
    page.shows("lookup-problem", "cannot be sent in a header")
    page.one("#lookup-form [name=key]").clear()
    page.press("Look up")
    page.shows("lookup-result", "It would be sent to Claude.")
    assert page.text("lookup-problem") == ""


def test_a_stored_answer_is_found_read_and_corrected(page: Page, busy: World) -> None:
    question = FAQ[4].question
    opened_entry(page, question)
    assert page.one("#entry-dialog textarea").get_attribute("value") == FAQ[4].answer
    page.shot("entry")
    page.type("#entry-dialog textarea", "Ask the desk.")
    page.type("#entry-dialog [name=tags]", "faq, by-hand")
    page.press("Save", "#entry-dialog")
    page.shows("notice", "The answer is saved")
    assert in_shop(busy, question).json()["content"][0]["text"] == "Ask the desk."
    page.type("#entries-form [name=tag]", "by-hand")
    page.search("", rows=1)
    page.click("#notice button")
    page.until(lambda: page.text("notice") == "")


def test_an_answer_cannot_be_made_empty(page: Page) -> None:
    opened_entry(page, FAQ[5].question)
    page.type("#entry-dialog textarea", " ")
    page.press("Save", "#entry-dialog")
    page.until(lambda: "answer" in page.one("#entry-dialog .problem").text)
    page.one("#entry-dialog textarea").send_keys(Keys.ESCAPE)
    page.until(lambda: not page.is_open("entry-dialog"))
    assert page.complaints(but="400") == []


def test_an_answer_that_was_wrong_is_not_served_again(page: Page, busy: World) -> None:
    question = FAQ[6].question
    assert "hit" in in_shop(busy, question).headers["cache-status"]
    opened_entry(page, question)
    page.press("This was wrong")
    page.shows("sure-text", "The answer is removed")
    page.press("No")
    page.until(lambda: not page.is_open("sure-dialog") and page.is_open("entry-dialog"))
    page.press("This was wrong")
    page.press("It was wrong")
    page.shows("notice", "Noted (removed).")
    assert "hit" not in in_shop(busy, question).headers["cache-status"]


def test_an_answer_that_was_wrong_for_one_wording_stays_for_the_others(page: Page, busy: World) -> None:
    question, other = FAQ[7].question, "Is it possible in the moonlight, too?"
    shown = {"entry": known_entry(busy, question), "verdict": "right", "question": other}
    assert busy.http("POST", "/semcache/v1/feedback", json=shown).status_code == 200
    opened_entry(page, question)
    page.unfold("Known by 2 wordings")
    page.press("Wrong for this")
    page.shows("sure-text", other)
    page.press("It was wrong")
    page.shows("notice", "Noted (learned).")
    assert "hit" in in_shop(busy, question).headers["cache-status"]
    assert "hit" not in in_shop(busy, other).headers["cache-status"]


def known_entry(world: World, question: str) -> str:
    found = world.http("GET", "/semcache/v1/entries", params={"text": question, "kind": "faq"}).json()["entries"]
    return str(found[0]["id"])


def test_an_answer_is_removed_after_a_question(page: Page, busy: World) -> None:
    opened_entry(page, FAQ[8].question)
    page.press("Remove", "#entry-dialog")
    page.press("Remove", "#sure-dialog")
    page.shows("notice", "The answer was removed.")
    page.shows("entry-table", "No stored answer meets these conditions.")


def test_a_new_answer_is_written_and_served(page: Page, busy: World) -> None:
    page.type("#scope [name=namespace]", f"shop{Keys.TAB}")
    page.press("New answer…")
    page.type("#write-form [name=question]", "Do you ship to the moon?")
    page.type("#write-form [name=answer]", "Not yet.")
    assert page.one("#write-form [name=namespace]").get_attribute("value") == "shop"
    page.press("Store it")
    page.shows("notice", "The answer was added.")
    page.shows("entry-table", "Do you ship to the moon?")
    assert in_shop(busy, "Do you ship to the moon?").json()["content"][0]["text"] == "Not yet."


def test_purging_counts_first_and_removes_only_what_was_counted(page: Page, busy: World) -> None:
    for number in (1, 2):
        busy.ask(f"How tall is poplar {number}?", headers={"x-semcache-tags": "trees"})
    page.press("Purge…")
    page.shot("purge")
    assert not page.one("#purge-act").is_enabled()
    page.press("Count (dry run)")
    page.until(lambda: "name at least one condition" in page.one("#purge-form .problem").text)
    page.type("#purge-form [name=tag]", "trees")
    page.press("Count (dry run)")
    page.shows("purge-found", "2 stored answers would be removed.")
    page.type("#purge-form [name=text]", "poplar 1")
    page.until(lambda: not page.one("#purge-act").is_enabled() and page.text("purge-found") == "")
    page.press("Count (dry run)")
    page.shows("purge-found", "1 stored answer would be removed.")
    assert known(busy, tag="trees") == 2
    page.press("Remove 1")
    page.shows("notice", "1 stored answer was removed.")
    assert known(busy, tag="trees") == 1
    assert page.complaints(but="400") == []


def test_purging_by_nearness_and_age(page: Page, busy: World) -> None:
    page.press("Purge…")
    page.type("#purge-form [name=near]", FAQ[9].question)
    page.type("#purge-form [name=similarity]", "0.999")
    Select(page.one("#purge-form [name=kind]")).select_by_visible_text("FAQ")
    page.press("Count (dry run)")
    page.shows("purge-found", "1 stored answer would be removed.")
    page.type("#purge-form [name=days]", "1")
    page.press("Count (dry run)")
    page.shows("purge-found", "Nothing would be removed.")
    page.press("Close", "#purge-dialog")
    page.until(lambda: not page.is_open("purge-dialog"))
    assert known(busy, text=FAQ[9].question, kind="faq") == 1


def known(world: World, **conditions: str) -> int:
    return len(world.http("GET", "/semcache/v1/entries", params=conditions).json()["entries"])


def test_what_was_asked_and_answered_is_never_markup(page: Page, busy: World) -> None:
    body = {"question": MARKUP, "answer": MARKUP, "namespace": "<b>shop</b>"}
    assert busy.http("PUT", "/semcache/v1/entries", json=body).status_code == 200
    busy.ask(MARKUP, headers={"x-semcache-namespace": "<b>shop</b>"})
    page.shows("decision-table", "<b>shop</b>")
    opened_entry(page, "How long is a mile?")
    assert page.text("entry-title") == MARKUP
    assert page.one("#entry-dialog textarea").get_attribute("value") == MARKUP
    page.press("Close", "#entry-dialog")
    page.type("#scope [name=namespace]", f"<b>shop</b>{Keys.TAB}")
    page.type("#lookup-form textarea[name=question]", MARKUP)
    page.press("Look up")
    page.until(lambda: page.one("#lookup-result blockquote").text == MARKUP)
    page.shows("entry-table", MARKUP)
    assert page.run("return document.title") == "semcache"
    assert page.run("return document.querySelectorAll('main img, main script, main b > b, td b, td i').length") == 0
    assert refused(page, "document.body.innerHTML = '<b>x</b>'")


def refused(page: Page, script: str) -> bool:
    """Whether the content security policy forbids it. The console says so, which is as it should be."""
    said = page.run(f"try {{ {script}; return '' }} catch (error) {{ return error.name }}")
    page.browser.get_log("browser")
    return bool(said == "TypeError")


def test_the_admin_key_is_asked_for_and_kept_no_longer_than_the_tab(
    browser: webdriver.Chrome, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="semcache")
    with served(create_app(settings(tmp_path, upstream="simulator", admin_key=KEY))) as url:
        page = Page(browser, url, tmp_path, is_open=False)
        page.until(lambda: page.is_open("key-dialog"))
        page.shot("key")
        page.type("#key-form input", f"a wrong one{Keys.ENTER}")
        page.shows("key-problem", "not accepted")
        page.press("Cancel", "#key-dialog")
        page.shows("state", "Locked")
        page.shows("trouble", "asks for the admin key")
        page.press("Enter the admin key")
        page.until(lambda: page.is_open("key-dialog"))
        page.type("#key-form input", f"{KEY}{Keys.ENTER}")
        page.shows("state", "Running")
        page.until(lambda: not page.is_open("key-dialog"))
        page.shows("entry-table", "No stored answer")
        assert page.run("return Object.values(localStorage).join() + location.href + document.cookie") == f"{url}/"
        assert page.run("return document.getElementById('key-form').elements.key.value") == ""
        assert page.run("return Object.values(sessionStorage)") == [KEY]
        browser.refresh()
        page.shows("state", "Running")
        browser.switch_to.new_window("tab")
        browser.get(url)
        page.until(lambda: page.is_open("key-dialog"))
        browser.close()
        browser.switch_to.window(browser.window_handles[0])
        assert page.complaints(but="401") == []
        page.leave()
    assert KEY not in caplog.text


def fill(chosen: Settings, count: int) -> None:
    """So many answers in the store that the service will open."""
    embedder = open_embedder(chosen.embedder, models_dir=chosen.models_dir)
    store = open_settings_store(chosen, embedder, time.time)
    now = time.time()
    for number in range(count):
        store.put(entry(f"k{number}", scope=SCOPE, question=f"What is number {number} of the list?", created_at=now))
    store.close()
    embedder.close()


@pytest.mark.timeout(600)
def test_a_hundred_thousand_answers_come_page_by_page(browser: webdriver.Chrome, tmp_path: Path) -> None:
    chosen = settings(tmp_path, upstream="simulator")
    fill(chosen, 100_000)
    with served(create_app(chosen)) as url:
        page = Page(browser, url, tmp_path)
        page.shows("held", "100,000 answers")
        seen = [page.text("entry-table")]
        for number in (2, 3):
            page.press("Next")
            page.shows("page-number", f"Page {number}")
            seen.append(page.text("entry-table"))
        assert len(set(seen)) == 3
        assert "number 99999 of" in seen[0]
        page.press("Previous")
        page.shows("page-number", "Page 2")
        assert page.text("entry-table") == seen[1]
        page.search("number 4711 of", rows=1)
        page.shows("page-number", "Page 1, the last")
        page.press("Purge…")
        page.type("#purge-form [name=text]", "of the list")
        Select(page.one("#purge-form [name=kind]")).select_by_visible_text("learned")
        page.press("Count (dry run)")
        page.shows("purge-found", "100,000 stored answers would be removed.")
        assert page.run("return document.querySelectorAll('*').length") < 2000
        assert page.complaints() == []
        page.leave()
