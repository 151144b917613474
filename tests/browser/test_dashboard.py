"""The dashboard in a real browser: every part shows what the service knows."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import httpx2
import pytest
from browser.pages import PHONE, Page
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from service.worlds import MODELS, World, served, settings

from semcache.pricing import PriceBook
from semcache.service.app import create_app
from semcache.upstream.simulator import Simulator, simulator_app

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def known(world: World, path: str) -> dict:
    return httpx2.get(f"{world.url}/semcache/v1/{path}", trust_env=False).json()


def test_the_figures_are_those_of_the_ledger(page: Page, busy: World) -> None:
    figures = known(busy, "savings")
    outcomes = {each["outcome"]: each["requests"] for each in figures["outcomes"]}
    hits = outcomes["exact"] + outcomes["semantic"] + outcomes["faq"]
    asked = sum(number for name, number in outcomes.items() if name in ("exact", "semantic", "faq", "miss", "bypass"))
    page.shows("hit-rate", f"{100 * hits / asked:.1f} %")
    page.shows("hit-rate-of", f"{hits} of {asked} requests, last 24 hours")
    page.shows("saved-of", f"{100 * figures['saved_share']:.1f} % of the bill")
    page.shows("saved", f"${float(figures['saved_usd']):.4f}")
    page.shows("live", "of the latest 120")
    assert len(page.all("#strip i")) == 120
    page.shows("latency", "Exact repeats", "From Claude", "ms")


def test_the_waterfall_goes_from_the_bill_as_it_came_to_what_was_paid(page: Page, busy: World) -> None:
    figures = known(busy, "savings")
    names = [each["name"] for each in (*figures["waterfall"], *figures["caused"])]
    rows = [each.text.replace("\n", " ") for each in page.all("#waterfall tbody tr")]
    assert [each.text for each in page.all("#waterfall tbody th")] == ["As it came", *names, "Paid"]
    assert rows[0].endswith(f"${float(figures['baseline_usd']):.4f}")
    assert rows[-1].endswith(f"${float(figures['cost_usd']):.4f}")
    page.shows("projection", "A month like this: $", "days observed")


def test_cost_over_time_is_drawn_and_told_as_a_table(page: Page, busy: World) -> None:
    drawn = """
        const canvas = document.querySelector("#cost-chart canvas");
        const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        return data.some((value) => value !== 0);
    """
    page.until(lambda: page.run(drawn))
    assert "as it came" in page.one("#cost-chart").get_attribute("aria-label")
    page.click("#money figure summary")
    page.until(lambda: len(page.all("#cost-table tbody tr")) == len(known(busy, "savings?by=hour")["groups"]))
    webdriver.ActionChains(page.browser).move_to_element(page.one("#cost-chart")).perform()
    page.shows("cost-readout", "request", "as they came", "paid")


def test_the_period_and_the_namespace_narrow_what_is_shown(page: Page, busy: World) -> None:
    Select(page.one("#scope [name=since]")).select_by_visible_text("last hour")
    page.shows("hit-rate-of", "last hour")
    page.shows("cost-readout", "Each bar is one minute.")
    Select(page.one("#scope [name=since]")).select_by_visible_text("since the start")
    page.shows("cost-readout", "Each bar is one day (UTC).")
    page.type("#scope [name=namespace]", f"lab{Keys.ENTER}")
    lab = known(busy, "savings?namespace=lab")
    page.shows("saved-of", f"{100 * lab['saved_share']:.1f} % of the bill")
    page.until(lambda: {each.text for each in page.all("#entry-table td:nth-child(3)")} == {"lab"})
    page.until(lambda: {each.text for each in page.all("#decision-table td:nth-child(4)")} == {"lab"})
    page.type("#scope [name=namespace]", f"nobody{Keys.ENTER}")
    page.shows("hit-rate-of", "no requests")
    page.shows("waterfall", "Nothing was asked in this period.")
    page.shows("entry-table", "No stored answer meets these conditions.")


def test_the_certificate_and_the_audits_it_rests_on(page: Page, busy: World) -> None:
    overall = known(busy, "quality")["overall"]
    assert overall["since_start"]["audits"] > 0
    page.shows("proof", f"Audits\n{overall['since_start']['audits']}", "Tolerated, of requests\n5.0 %", "calm")
    page.shows("bound", "%" if (overall["since_start"]["upper_bound"] or 1) < 1 else "Not yet")
    page.unfold("In words")
    page.shows("says", overall["says"][0])
    page.click("#audits-count")
    page.shows("audits", "the same")


def test_limits_say_what_was_spent_and_what_may_be(page: Page) -> None:
    page.shows("limits", "service", "of $5.00", "namespace shop", "of $0.50", "of 200,000 tokens", "credential")


def test_decisions_come_with_their_reasons_and_can_be_narrowed(page: Page) -> None:
    page.shows("decision-table", "asked before in exactly this form", "claude-haiku-5-5 (simple extraction)", "FAQ")
    page.one("#decision-filter [value=all]").send_keys(Keys.ARROW_RIGHT)
    page.until(lambda: "miss" not in {each.text for each in page.all("#decision-table td:nth-child(2)")})
    page.click("#decision-filter label:last-child")
    page.until(lambda: {each.text for each in page.all("#decision-table td:nth-child(2)")} <= {"miss", "bypass"})


def test_a_new_request_shows_by_itself(page: Page, busy: World) -> None:
    busy.ask("Is this page alive?", headers={"x-semcache-namespace": "pulse"})
    page.shows("decision-table", "pulse")


def test_batches_show_how_far_they_are(page: Page, busy: World) -> None:
    [batch] = known(busy, "batches")["batches"]
    page.shows("batch-table", batch["id"], "of 12")


def test_what_could_be_saved_besides_is_told(browser: webdriver.Chrome, tmp_path: Path) -> None:
    upstream = Simulator(PriceBook.load(MODELS / "claude.toml"), answers=lambda body: "A sprinkler. " * 9)
    with served(simulator_app(upstream), lifespan="off") as claude:
        chosen = settings(
            tmp_path,
            upstream=claude,
            audits=True,
            own_jobs_wait_seconds=7200.0,
            strategies=("conciseness", "prompt_caching"),
        )
        with served(create_app(chosen)) as url:
            world = World(chosen, url, upstream)
            for minute in (11, 12, 13):
                rules = f"Ahoy. It is 2026-11-29 09:{minute}. " + "The harbour opens at six on every day. " * 90
                world.ask(f"What is the fare to zone {minute}?", system=rules, model="claude-sonnet-5-5")
            for article in ("a", "the"):
                world.ask(f"What does {article} leaf wetness reading mean for my roses?", model="claude-sonnet-5-5")
            waiting = known(world, "batches")["own_jobs"]
            page = Page(browser, url, tmp_path)
            page.shows("breakers", "default: the system prompt carries a timestamp at character 23")
            page.shows("brevity", "default/-/claude-sonnet-5-5", "not proven")
            page.shows("own-jobs", f"{waiting} job of our own waits for a batch.")
            assert page.complaints() == []
            page.leave()


def test_dark_and_light_follow_the_system_until_one_is_chosen(page: Page) -> None:
    def paper() -> str:
        return str(page.run("return getComputedStyle(document.body).backgroundColor"))

    def prefer(scheme: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    light = paper()
    prefer("dark")
    page.until(lambda: paper() != light and page.one("#theme").get_attribute("aria-pressed") == "true")
    page.click("#theme")
    page.until(lambda: paper() == light)
    page.browser.refresh()
    page.until(lambda: paper() == light)
    prefer("light")
    page.click("#theme")
    page.until(lambda: paper() != light)


@pytest.mark.parametrize(("name", "width"), [("wide", 1280), ("middle", 800), ("phone", PHONE)])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_cut_off_at_any_width_and_pictures_are_taken(page: Page, name: str, width: int, theme: str) -> None:
    page.resize(width)
    page.run("localStorage.setItem('semcache-theme', arguments[0])", theme)
    page.browser.refresh()
    page.shows("hit-rate", "%")
    page.until(lambda: page.all("#entry-table tbody tr") and page.all("#cost-chart canvas"))
    assert page.run("return document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.shot(f"{name}-{theme}").stat().st_size > 20_000


def test_an_empty_service_says_so_in_every_part(browser: webdriver.Chrome, tmp_path: Path) -> None:
    with served(create_app(settings(tmp_path, upstream="simulator"))) as url:
        page = Page(browser, url, tmp_path)
        page.shows("state", "in front of the simulator")
        page.shows("hit-rate-of", "no requests")
        page.shows("live", "waiting for the first request")
        page.shows("bound", "Not yet")
        page.shows("limits", "No limit is set.")
        page.shows("decision-table", "Nothing was asked")
        page.shows("entry-table", "No stored answer")
        page.shows("top", "No stored answer was used yet.")
        page.shows("batch-table", "No batches.")
        page.click("#audits-count")
        page.shows("audits", "No audits yet.")
        page.shot("empty")
        assert page.complaints() == []
        page.leave()


def test_a_service_that_went_away_is_said_and_what_was_seen_stays(browser: webdriver.Chrome, tmp_path: Path) -> None:
    with served(create_app(settings(tmp_path, upstream="simulator"))) as url:
        page = Page(browser, url, tmp_path)
        page.shows("hit-rate-of", "no requests")
        assert page.complaints() == []
    page.shows("trouble", "cannot be reached. What you see is from")
    page.shows("state", "Out of reach")
    page.shows("hit-rate-of", "no requests")
    assert page.complaints(but="ERR_CONNECTION_REFUSED") == []
    page.leave()


def test_a_cache_that_is_off_is_said(browser: webdriver.Chrome, tmp_path: Path) -> None:
    (tmp_path / "index").write_text("a file where a directory should be")
    with served(create_app(settings(tmp_path, upstream="simulator"))) as url:
        page = Page(browser, url, tmp_path)
        page.shows("trouble", "The cache is off:")
        page.shows("waterfall", "the cache is not available")
        assert page.complaints(but="503") == []
        page.leave()


def test_everything_can_be_reached_without_a_mouse_in_the_order_it_is_seen(page: Page) -> None:
    page.until(lambda: page.all("#entry-table tbody tr"))
    reached: list[str] = []
    while "next-page" not in reached and len(reached) < 150:
        webdriver.ActionChains(page.browser).send_keys(Keys.TAB).perform()
        reached.append(page.run("const on = document.activeElement; return on.name || on.id || on.textContent.trim()"))
    assert reached[0] == "Skip to the figures"
    wanted = [
        "since",
        "namespace",
        "theme",
        "Overview",
        "show",
        "question",
        "model",
        "text",
        "Search",
        "write",
        "purge",
    ]
    places = [reached.index(name) for name in wanted]
    assert places == sorted(places)


def test_who_stands_on_a_row_by_keyboard_still_stands_there_after_it_was_drawn_anew(page: Page, busy: World) -> None:
    page.until(lambda: page.all("#decision-table tbody tr"))
    page.run("document.querySelector('#decision-table tbody button').focus()")
    key = page.run("return document.activeElement.dataset.key")
    busy.ask("Does this move the rows?", headers={"x-semcache-namespace": "moving"})
    page.shows("decision-table", "moving")
    assert page.run("return document.activeElement.dataset.key") == key


def test_the_page_is_made_for_screen_readers(page: Page) -> None:
    page.until(lambda: page.all("#entry-table tbody tr") and page.all("#batch-table tbody tr"))
    assert page.run("return document.documentElement.lang") == "en"
    for landmark in ("header", "nav[aria-label]", "main", "footer", "h1"):
        assert len(page.all(landmark)) == 1, landmark
    unlabelled = (
        "return [...document.querySelectorAll('input,select,textarea')].filter((each) => !each.labels.length).length"
    )
    assert page.run(unlabelled) == 0
    for table in page.all("table"):
        assert table.find_element(By.TAG_NAME, "caption").get_attribute("textContent")
        assert all(each.get_attribute("textContent") for each in table.find_elements(By.CSS_SELECTOR, "thead th"))
        assert table.find_elements(By.CSS_SELECTOR, "tbody th[scope=row]")
    dangling = """
        return [...document.querySelectorAll('[aria-labelledby],[aria-describedby]')]
          .flatMap((each) => [each.getAttribute('aria-labelledby'), each.getAttribute('aria-describedby')])
          .filter((id) => id && !document.getElementById(id) && id !== 'entry-title')
    """
    assert page.run(dangling) == []
    levels = [int(each.tag_name[1]) for each in page.all("main h2, main h3, main h4")]
    assert all(after - before <= 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_from_its_ground(page: Page, theme: str) -> None:
    page.run("localStorage.setItem('semcache-theme', arguments[0])", theme)
    page.browser.refresh()
    page.until(lambda: page.all("#entry-table tbody tr") and page.all("#batch-table tbody tr"))
    assert page.run(_FAINT) == []


# Texts whose contrast with their ground is less than WCAG 2 asks for (AA: 4.5, or 3 where they are large).
_FAINT = """
    const channel = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    const parsed = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = ([red, green, blue]) =>
      0.2126 * channel(red / 255) + 0.7152 * channel(green / 255) + 0.0722 * channel(blue / 255);
    const groundOf = (element) => {
      for (let each = element; each; each = each.parentElement) {
        const ground = parsed(getComputedStyle(each).backgroundColor);
        if (ground.length === 3 || ground[3] === 1) return ground;
      }
      return [255, 255, 255];
    };
    const faint = [];
    for (const each of document.querySelectorAll("body *")) {
      const hasText = [...each.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
      if (!hasText || !each.checkVisibility() || each.closest(":disabled,.unseen,option,datalist")) continue;
      const style = getComputedStyle(each);
      const [one, other] = [light(parsed(style.color)), light(groundOf(each))];
      const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
      const isLarge = parseFloat(style.fontSize) >= 24;
      const said = `${each.tagName} ${each.textContent.slice(0, 30)} ${contrast.toFixed(2)}`;
      if (contrast < (isLarge ? 3 : 4.5)) faint.push(said);
    }
    return faint;
"""
