"""The dashboard as a person meets it: looks for what is shown, clicks, types, waits."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import TimeoutException, WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

_SECONDS = 60  # a slow machine with other work; what is there at once is found at once
WIDE, PHONE = 1280, 400


class Page:
    """One visit. `shots` is where screenshots go."""

    def __init__(self, browser: webdriver.Chrome, url: str, shots: Path, *, is_open: bool = True) -> None:
        self.browser = browser
        self._shots = shots
        self.resize(WIDE)
        browser.get_log("browser")
        browser.get(url)
        if is_open:  # else it asks for the key first
            self.until(lambda: self.text("state") not in ("", "Connecting"))

    def leave(self) -> None:
        """Forget what the tab holds, and let go of the service, which the browser would go on asking."""
        self.browser.execute_script("sessionStorage.clear(); localStorage.clear()")
        self.browser.get("about:blank")

    def resize(self, width: int) -> None:
        size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def until(self, holds: Callable[[], Any]) -> None:
        """Wait for it; what is replaced while it is looked at counts as not there yet."""
        WebDriverWait(self.browser, _SECONDS, 0.05, ignored_exceptions=[WebDriverException]).until(lambda _: holds())

    def one(self, css: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, css)

    def all(self, css: str) -> list[WebElement]:
        return self.browser.find_elements(By.CSS_SELECTOR, css)

    def text(self, name: str) -> str:
        return self.one(f"#{name}").text

    def shows(self, name: str, *texts: str) -> None:
        try:
            self.until(lambda: all(text in self.text(name) for text in texts))
        except TimeoutException:
            raise AssertionError(f"#{name} does not show {texts}, but: {self.text(name)!r}") from None

    def click(self, css: str) -> None:
        """Click what is there, again where the page was drawn anew meanwhile."""
        self.until(lambda: self._clicked(self.one(css)))

    def press(self, name: str, within: str = "body") -> None:
        """Press the visible button of this name."""

        def pressed() -> bool:
            found = [each for each in self.all(f"{within} button") if each.is_displayed() and each.text == name]
            return bool(found) and self._clicked(found[0])

        self.until(pressed)

    def unfold(self, name: str) -> None:
        """Open the details with this summary."""
        self.until(lambda: self._clicked(next(each for each in self.all("summary") if each.text == name)))

    def type(self, css: str, text: str) -> None:
        field = self.one(css)
        field.clear()
        field.send_keys(text)

    def search(self, text: str, *, rows: int) -> None:
        """Search the stored answers, and wait until so many are shown."""
        self.type("#entries-form [name=text]", text)
        self.press("Search")
        self.until(lambda: len(self.all("#entry-table tbody tr")) == rows)

    def is_open(self, dialog: str) -> bool:
        return bool(self.run("return document.getElementById(arguments[0]).open", dialog))

    def run(self, script: str, *values: Any) -> Any:
        return self.browser.execute_script(script, *values)

    def shot(self, name: str) -> Path:
        """The whole page as a picture."""
        height = self.run("return document.documentElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": self.run("return innerWidth"), "height": height, "scale": 1}
        taken = self.browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        path = self._shots / f"{name}.png"
        path.write_bytes(base64.b64decode(taken["data"]))
        return path

    def complaints(self, *, but: str = "\0") -> list[str]:
        """What the console says, warnings included."""
        said = [json.dumps(entry) for entry in self.browser.get_log("browser")]
        return [line for line in said if but not in line and "DEBUG" not in line]

    def _clicked(self, element: WebElement) -> bool:
        element.click()
        return True
