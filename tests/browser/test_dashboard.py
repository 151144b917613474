"""The dashboard in a real browser: every part shows what the service knows, and every button does what it says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait
from service.worlds import RESET, World, served, settings
from stores.store_samples import SCOPE, entry

from semcache.embedders.opening import open_embedder
from semcache.opening import open_settings_store
from semcache.service.app import create_app
from semcache.settings import Settings

pytestmark = pytest.mark.slow
_SECONDS = 20


class Page:
    """The dashboard as a person meets it."""

    def __init__(self, browser: webdriver.Chrome, url: str, shots: Path) -> None:
        self.browser = browser
        self._shots = shots
        browser.get_log("browser")
        browser.set_window_size(1280, 1600)
        browser.get(url)
        self.until(lambda: self.text("state") != "…")

    def until(self, holds: Callable[[], Any]) -> None:
        WebDriverWait(self.browser, _SECONDS, ignored_exceptions=[Exception]).until(lambda _: holds())

    def one(self, css: str) -> Any:
        return self.browser.find_element(By.CSS_SELECTOR, css)

    def text(self, name: str) -> str:
        return str(self.one(f"#{name}").text)

    def shows(self, name: str, text: str) -> None:
        self.until(lambda: text in self.text(name))

    def button(self, name: str) -> Any:
        where = (By.XPATH, f"//button[normalize-space()='{name}']")
        self.until(lambda: self.browser.find_element(*where).is_displayed())
        return self.browser.find_element(*where)

    def type(self, css: str, text: str) -> None:
        field = self.one(css)
        field.clear()
        field.send_keys(text)

    def shot(self, name: str) -> None:
        assert self.browser.save_screenshot(str(self._shots / f"{name}.png"))

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.fixture
def page(browser: webdriver.Chrome, busy: World, tmp_path: Path) -> Iterator[Page]:
    found = Page(browser, busy.url, tmp_path)
    yield found
    assert found.complaints() == []


def test_the_figures_are_those_of_the_ledger(page: Page, busy: World) -> None:
    figures = httpx2.get(f"{busy.url}/semcache/v1/savings", trust_env=False).json()
    page.shows("figures", f"Requests\n{figures['requests']}")
    page.shows("figures", f"Saved of the bill\n{100 * figures['saved_share']:.1f} %")
    page.shows("waterfall", "Exact hits")
    page.shows("cost-chart", "as they came")
    page.shows("certificate", "Nothing is proved yet")
    page.shows("decision-table", "exact")
    page.shows("state", "Running")
    page.shot("overview")


def test_the_chart_has_its_figures_as_a_table_too(page: Page) -> None:
    page.one("#money summary").click()
    page.shows("cost-table", "saved")


def test_dark_and_light_are_a_choice_that_is_kept(page: Page, busy: World) -> None:
    def paper() -> str:
        return str(page.browser.execute_script("return getComputedStyle(document.body).backgroundColor"))

    before = paper()
    page.one("#theme").click()
    after = paper()
    assert before != after
    page.browser.refresh()
    page.until(lambda: paper() == after)
    page.shot("dark")
    page.one("#theme").click()


def test_on_a_phone_nothing_is_cut_off(page: Page) -> None:
    page.browser.set_window_size(390, 900)
    page.shows("figures", "Requests")
    width = page.browser.execute_script("return document.documentElement.scrollWidth - innerWidth")
    page.shot("phone")
    assert width <= 0


def test_the_look_up_box_says_what_would_happen(page: Page) -> None:
    page.type("#lookup textarea", RESET)
    page.type("#lookup input[name=model]", "claude-haiku-5-5")
    page.button("Look up").click()
    page.shows("lookup-result", "It would be")


def test_a_stored_answer_is_found_read_corrected_and_removed(page: Page, busy: World) -> None:
    page.type("#entries input[name=text]", "invoices")
    page.button("Search").click()
    page.until(lambda: len(page.browser.find_elements(By.CSS_SELECTOR, "#entry-table tbody button")) == 1)
    page.one("#entry-table tbody button").click()
    page.until(lambda: page.one("#entry-dialog textarea").get_attribute("value").startswith("Every invoice"))
    page.shot("entry")
    page.type("#entry-dialog textarea", "Invoices are under Billing.")
    page.button("Save the answer").click()
    page.until(lambda: not page.one("#entry-dialog").get_attribute("open"))
    said = busy.ask("Where can I see my invoices?").json()
    assert said["content"][0]["text"] == "Invoices are under Billing."
    page.one("#entry-table tbody button").click()
    page.button("Remove").click()
    page.button("Yes, remove").click()
    page.shows("entry-table", "none yet")


def test_an_answer_that_was_wrong_is_reported(page: Page, busy: World) -> None:
    page.type("#entries input[name=text]", "subscription")
    page.button("Search").click()
    page.until(lambda: len(page.browser.find_elements(By.CSS_SELECTOR, "#entry-table tbody button")) == 1)
    page.one("#entry-table tbody button").click()
    page.button("This was wrong").click()
    page.until(lambda: not page.one("#entry-dialog").get_attribute("open"))
    assert "hit" not in busy.ask("How do I cancel my subscription?").headers["cache-status"]


def test_purging_asks_first_and_says_how_many(page: Page, busy: World) -> None:
    busy.ask("How tall is a poplar?")
    page.button("Purge what is found…").click()
    page.shows("state", "needs a condition")
    page.type("#entries input[name=text]", "poplar")
    page.button("Purge what is found…").click()
    page.shows("sure-text", "1 stored")
    page.button("No").click()
    page.button("Search").click()
    page.shows("entry-table", "poplar")
    page.button("Purge what is found…").click()
    page.button("Yes, remove").click()
    page.shows("entry-table", "none yet")


def test_everything_can_be_reached_without_a_mouse(page: Page) -> None:
    page.one("body").send_keys(Keys.TAB)
    reached = []
    for _ in range(40):
        element = page.browser.switch_to.active_element
        reached.append(element.get_attribute("name") or element.get_attribute("href") or element.text)
        element.send_keys(Keys.TAB)
    said = " ".join(reached)
    assert reached[0].endswith("#overview")
    assert all(name in said for name in ("since", "namespace", "question", "Look up", "text", "Search"))


def test_every_field_has_a_label_and_every_table_a_name(page: Page) -> None:
    unlabelled = page.browser.execute_script(
        "return [...document.querySelectorAll('input,select,textarea')].filter((each) => !each.labels.length).length"
    )
    unnamed = page.browser.execute_script(
        "return [...document.querySelectorAll('table')].filter((each) => !each.getAttribute('aria-label')).length"
    )
    assert (unlabelled, unnamed) == (0, 0)


def test_what_was_asked_is_never_markup(page: Page, busy: World) -> None:
    busy.ask("<img src=x onerror=alert(1)> How long is a mile?")
    page.type("#entries input[name=text]", "mile")
    page.button("Search").click()
    page.shows("entry-table", "<img src=x onerror=alert(1)>")
    page.type("#entries input[name=text]", "")


def test_the_admin_key_is_asked_for_once_and_not_kept_beyond_the_tab(browser: webdriver.Chrome, tmp_path: Path) -> None:
    chosen = settings(tmp_path, upstream="simulator", admin_key="a-very-long-admin-key")
    with served(create_app(chosen)) as url:
        browser.get_log("browser")
        browser.get(url)
        WebDriverWait(browser, _SECONDS).until(
            lambda _: browser.find_element(By.ID, "key-dialog").get_attribute("open")
        )
        browser.find_element(By.CSS_SELECTOR, "#key-form input").send_keys("a-very-long-admin-key", Keys.ENTER)
        WebDriverWait(browser, _SECONDS).until(lambda _: "Running" in browser.find_element(By.ID, "state").text)
        assert browser.execute_script("return Object.keys(localStorage)") in ([], ["semcache-theme"])
        browser.execute_script("sessionStorage.clear()")


def fill(chosen: Settings, count: int) -> None:
    embedder = open_embedder(chosen.embedder, models_dir=chosen.models_dir)
    store = open_settings_store(chosen, embedder, time.time)
    now = time.time()
    for number in range(count):
        store.put(entry(f"k{number}", scope=SCOPE, question=f"What is number {number} of the list?", created_at=now))
    store.close()
    embedder.close()


def test_a_hundred_thousand_answers_come_page_by_page(browser: webdriver.Chrome, tmp_path: Path) -> None:
    chosen = settings(tmp_path, upstream="simulator", store="local:")
    fill(chosen, 100_000)
    with served(create_app(chosen)) as url:
        page = Page(browser, url, tmp_path)
        rows = lambda: len(page.browser.find_elements(By.CSS_SELECTOR, "#entry-table tbody tr"))  # noqa: E731
        page.until(lambda: rows() == 25)
        first = page.text("entry-table")
        page.one("#next-page").click()
        page.until(lambda: page.text("entry-table") != first and rows() == 25)
        page.type("#entries input[name=text]", "number 4711 ")
        page.button("Search").click()
        page.until(lambda: rows() == 1)
        Select(page.one("#entries select[name=order]")).select_by_value("hits")
        assert page.complaints() == []
