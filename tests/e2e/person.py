"""Somebody of staff at the keyboard: this class has no mouse."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from playwright.async_api import expect

from tests.e2e.browser import Tab

MOST_STEPS = 250
# Between the last thing of a page and the first.
_NOWHERE = "nothing"
# How what has the focus is called: what a screen reader would read, as far as we use it.
_FOCUSED = """() => {
  const at = document.activeElement;
  if (!at || at === document.body) return ["", "", false];
  const text = (one) => {
    if (!one) return "";
    const copy = one.cloneNode(true);
    copy.querySelectorAll("[aria-hidden=true], select, script").forEach((each) => each.remove());
    return copy.textContent;
  };
  const by = (at.getAttribute("aria-labelledby") || "").split(" ").filter(Boolean)
    .map((id) => text(document.getElementById(id))).join(" ");
  const isField = ["INPUT", "SELECT", "TEXTAREA"].includes(at.tagName);
  const name = by || at.getAttribute("aria-label") || text(at.labels && at.labels[0])
    || (isField ? "" : text(at)) || (["submit", "button"].includes(at.type) ? at.value : "");
  const words = (name.trim() || at.title || at.placeholder || "").replace(/\\s+/g, " ");
  const box = at.getBoundingClientRect();
  return [words.replace(/ ?\\*$/, "").trim(), at.tagName, box.width > 0 && box.height > 0];
}"""


class Person:
    """Does as people do: goes from one thing to the next with Tab, types, presses Enter.

    Each page is looked at when it is reached: what axe and the console say is kept in `complaints`.
    """

    def __init__(self, tab: Tab, url: str, known: set[str]) -> None:
        self._tab = tab
        self._url = url
        self._known = known
        self.complaints: list[str] = []

    @property
    def path(self) -> str:
        """Where the person is."""
        return self._tab.page.url.removeprefix(self._url)

    def carry(self, name: str, value: str) -> None:
        """Bring a cookie of an earlier visit."""
        cookie = {"name": name, "value": value, "url": self._url}
        self._do(self._tab.context.add_cookies([cookie]))  # type: ignore[list-item]

    def open(self, path: str) -> None:
        """Type an address."""
        self._do(self._arrive(lambda: self._tab.page.goto(f"{self._url}{path}")))

    def tab_to(self, name: str) -> None:
        """Press Tab until what has the focus is called so.

        Raises:
            AssertionError: Tab never reaches it, or what has the focus cannot be seen.

        """
        self._do(self._walk(name))

    def press(self, *keys: str) -> None:
        """Press keys that lead nowhere."""
        for key in keys:
            self._do(self._tab.page.keyboard.press(key))

    def type(self, text: str) -> None:
        """Write where the focus is."""
        self._do(self._tab.page.keyboard.type(text))

    def fill(self, name: str, text: str) -> None:
        """Go to a field and write over what is in it."""
        self.tab_to(name)
        self.press("Control+A")
        self.type(text)

    def enter(self, *, key: str = "Enter") -> None:
        """Press a key that leads to a page."""
        self._do(self._arrive(lambda: self._tab.page.keyboard.press(key)))

    def follow(self, name: str) -> None:
        """Go to a link or a button, and press it."""
        self.tab_to(name)
        self.enter()

    def download(self, name: str) -> bytes:
        """Go to a button that gives a file, press it, and return what is in the file."""
        self.tab_to(name)
        return bytes(self._do(self._downloaded()))

    def sees(self, *texts: str) -> None:
        """Wait until the page says all of this."""
        body = self._tab.page.locator("body")
        for text in texts:
            self._do(expect(body).to_contain_text(text))

    def has_focus(self) -> str:
        """Return how what has the focus is called, "" where nothing has it."""
        name, _tag, _is_seen = self._do(self._tab.page.evaluate(_FOCUSED))
        return str(name)

    def waits_for_focus(self, name: str) -> None:
        """Wait until a page has put the focus where it should be."""
        self._do(self._tab.page.wait_for_function(f"name => ({_FOCUSED})()[0] === name", arg=name))

    def _do(self, work: Any) -> Any:
        return self._tab.chromium.do(work)

    async def _walk(self, name: str) -> None:
        passed: list[str] = []
        for _step in range(MOST_STEPS):
            found, tag, is_seen = await self._tab.page.evaluate(_FOCUSED)
            if found == name:
                assert is_seen, f"{name!r} has the focus and cannot be seen"
                return
            if not tag and passed[1:].count(_NOWHERE):
                break
            passed.append(f"{tag} {found[:40]!r}" if tag else _NOWHERE)
            await self._tab.page.keyboard.press("Tab")
        raise AssertionError(f"Tab never reaches {name!r}, but {', '.join(passed)}")

    async def _downloaded(self) -> bytes:
        async with self._tab.page.expect_download() as waiting:
            await self._tab.page.keyboard.press("Enter")
        path = await (await waiting.value).path()
        return path.read_bytes()

    async def _arrive(self, act: Callable[[], Awaitable[object]]) -> None:
        async with self._tab.page.expect_navigation(wait_until="load"):
            await act()
        await self._look()

    async def _look(self) -> None:
        self.complaints += [f"{self.path}: console: {text}" for text in self._tab.said]
        self._tab.said.clear()
        place = re.sub(r"\d+", "N", self.path.partition("?")[0])
        if place not in self._known:
            self._known.add(place)
            self.complaints += [f"{self.path}: {text}" for text in await self._tab.findings()]
