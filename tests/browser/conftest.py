"""A real browser, and a service with something to look at."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from service.worlds import ANSWERS, MODELS, World, served, settings

from semcache.pricing import PriceBook
from semcache.service.app import create_app
from semcache.upstream.simulator import Simulator, simulator_app

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=1280,1600", "--lang=en-US",
    "--force-prefers-reduced-motion",
)  # fmt: skip


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Debian's Chromium. Where there is none, CI fails, and other machines skip."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        message = "needs Debian's chromium and chromium-driver"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    opened = webdriver.Chrome(options=options, service=Service(driver))
    yield opened
    opened.quit()


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service that has answered a few questions, some of them twice."""
    with ExitStack() as stack:
        simulator = Simulator(PriceBook.load(MODELS / "claude.toml"), answers=ANSWERS)
        upstream = stack.enter_context(served(simulator_app(simulator), lifespan="off"))
        folder: Path = tmp_path_factory.mktemp("busy")
        chosen = settings(folder, upstream=upstream)
        world = World(chosen, stack.enter_context(served(create_app(chosen))), simulator)
        for question in (*ANSWERS, *ANSWERS):
            world.ask(question)
        yield world
