"""Chromium, driven from a thread of its own, so that no event loop is left in that of the tests."""

import asyncio
import shutil
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

T = TypeVar("T")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
)
TIMEOUT_SECONDS = 20.0
LOCALES = {"en": "en-US", "ja": "ja-JP"}
# What axe calls worse than this fails: see its own words for how much people are hindered.
GRAVE = frozenset({"serious", "critical"})
# Chromium reports each page that is refused as an error of its own.
HARMLESS = "Failed to load resource: the server responded with a status of 4"


class Chromium:
    """A browser that other threads may drive: `do` runs a coroutine where it lives."""

    def __init__(self, loop: asyncio.AbstractEventLoop, browser: Browser) -> None:
        self._loop = loop
        self._browser = browser

    def do(self, work: Coroutine[Any, Any, T], *, seconds: float = 2 * TIMEOUT_SECONDS) -> T:
        """Run it and return what it returns."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    def open(self, *, language: str, theme: str) -> "Tab":
        """Open a window of somebody whose browser speaks a language and is dark or light."""
        return self.do(self._open(language, theme))

    async def _open(self, language: str, theme: str) -> "Tab":
        context = await self._browser.new_context(
            viewport={"width": 1400, "height": 1000},
            locale=LOCALES[language],
            color_scheme="dark" if theme == "dark" else "light",
            reduced_motion="reduce",
        )
        context.set_default_timeout(TIMEOUT_SECONDS * 1000)
        # What the admin's own switch of themes writes down.
        await context.add_init_script(f"localStorage.setItem('adminTheme', '\"{theme}\"')")
        return Tab(self, context, await context.new_page())


class Tab:
    """A page, what its console has said, and what axe finds on it."""

    def __init__(self, chromium: Chromium, context: BrowserContext, page: Page) -> None:
        self.chromium = chromium
        self.context = context
        self.page = page
        self.said: list[str] = []
        page.on("console", lambda one: self._note(one.text) if one.type == "error" else None)
        page.on("pageerror", lambda error: self._note(str(error)))

    def _note(self, text: str) -> None:
        if not text.startswith(HARMLESS):
            self.said.append(text)

    async def findings(self) -> list[str]:
        """Return what hinders people on the page as it is, in axe's words, with where it is."""
        found = (await Axe().run(self.page)).response["violations"]
        return [
            f"{one['id']} ({one['impact']}): {one['help']}: {node['target']} {node['html'][:200]}"
            for one in found
            if one["impact"] in GRAVE
            for node in one["nodes"][:3]
        ]

    def close(self) -> None:
        self.chromium.do(self.context.close())


@contextmanager
def running() -> Iterator[Chromium]:
    """Run a browser for the length of a block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="chromium", daemon=True)
    thread.start()

    def do(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    manager = async_playwright()
    try:
        playwright = do(manager.start())
        browser = do(playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS]))
        yield Chromium(loop, browser)
        do(browser.close())
        do(playwright.stop())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
