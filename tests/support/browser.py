"""Chromium without a window, which reaches this machine alone, and what it has requested."""

import contextlib
import shutil
import tempfile
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import orjson
from selenium import webdriver
from selenium.common.exceptions import NoAlertPresentException, NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
WIDTHS = {"desk": 1280, "phone": 390, "small": 320}
OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
    "--disable-domain-reliability", "--disable-client-side-phishing-detection", "--force-color-profile=srgb",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip
TOO_WIDE = "const {scrollWidth, clientWidth} = document.documentElement; return scrollWidth - clientWidth"
PATIENCE = 20.0
STALE = (NoAlertPresentException, NoSuchElementException, StaleElementReferenceException)


class Browser:
    def __init__(self, driver: webdriver.Chrome, root: str) -> None:
        self.driver, self.root = driver, root

    def open(self, path: str) -> None:
        self.driver.get(self.root + path)

    def be(self, width: str, *, dark: bool = False, height: int = 900) -> None:
        """Of `WIDTHS`."""
        size = {"width": WIDTHS[width], "height": height, "deviceScaleFactor": 1, "mobile": width != "desk"}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def all(self, css: str):
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def one(self, css: str):
        return self.wait(lambda: next(iter(self.all(css)), None), css)

    def with_text(self, css: str, text: str):
        """The first element in which this text stands, once there is one."""

        def found():
            return next((each for each in self.all(css) if text in each.text), None)

        return self.wait(found, f"{css} with {text!r}")

    def shown(self, path: str, css: str, text: str):
        """The same of a page that is loaded until it has one: what it shows comes within seconds."""

        def found():
            self.open(path)
            return next((each for each in self.all(css) if text in each.text), None)

        return self.wait(found, f"{css} with {text!r} at {path}")

    def wait(self, condition, what: str = "the condition"):
        return WebDriverWait(self.driver, PATIENCE, ignored_exceptions=STALE).until(lambda _: condition(), what)

    @property
    def text(self) -> str:
        return self.one("body").text

    @property
    def overflow(self) -> int:
        """By how many pixels the page is wider than the window. (A phone's `innerWidth` grows with the page.)"""
        return self.driver.execute_script(TOO_WIDE)

    def requested(self) -> set[str]:
        """Every address that was requested since this was last called."""
        events = (orjson.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        sent = (event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent")
        return {url for url in sent if not url.startswith(("data:", "about:"))}

    def complaints(self) -> list[str]:
        """What the console says: errors of scripts, and what the policy has forbidden."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    @contextlib.contextmanager
    def on_paper(self) -> Iterator[None]:
        """Inside, the page looks as it is printed."""
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        try:
            yield
        finally:
            self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})

    @contextlib.contextmanager
    def another_tab(self) -> Iterator[None]:
        """Inside, that is the one looked at; the page before goes on."""
        before = self.driver.current_window_handle
        self.driver.switch_to.new_window("tab")
        try:
            yield
        finally:
            self.driver.close()
            self.driver.switch_to.window(before)

    def picture(self) -> bytes:
        """The whole page, as a PNG."""
        size = self.driver.execute_script("return [innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}
        taken = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        return b64decode(taken["data"])


@contextlib.contextmanager
def browser(root: str) -> Iterator[Browser]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for each in OPTIONS:
        options.add_argument(each)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options.add_argument(f"--user-data-dir={Path(profile)}")
        driver = webdriver.Chrome(options, Service(DRIVER))
        try:
            found = Browser(driver, root)
            driver.get("about:blank")
            found.requested()  # chromium's own first page is forgotten
            yield found
        finally:
            driver.quit()
