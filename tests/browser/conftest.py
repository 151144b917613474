"""A real browser, a service with something to look at, and the page between them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.lively import lively
from browser.pages import Page
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from service.worlds import World

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-sync", "--disable-extensions", "--disable-background-networking", "--disable-component-update",
    "--disable-default-apps", "--hide-scrollbars", "--lang=en-US", "--force-prefers-reduced-motion",
    "--no-proxy-server",
)  # fmt: skip


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Debian's Chromium. Where there is none, CI fails, and other machines skip."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        message = "needs Debian's chromium and chromium-driver (apt-get install chromium chromium-driver)"
        pytest.fail(message) if os.environ.get("CI") in ("1", "true") else pytest.skip(message)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    opened = webdriver.Chrome(options=options, service=Service(driver))
    try:
        opened.set_script_timeout(60)
        opened.set_page_load_timeout(60)
        yield opened
    finally:
        opened.quit()


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service that has had a day of mixed traffic."""
    with lively(tmp_path_factory.mktemp("busy")) as world:
        yield world


@pytest.fixture
def page(browser: webdriver.Chrome, busy: World, tmp_path: Path) -> Iterator[Page]:
    """The dashboard of the busy service; whatever is done there, the console stays silent."""
    found = Page(browser, busy.url, tmp_path)
    yield found
    assert found.complaints() == []
    found.leave()
