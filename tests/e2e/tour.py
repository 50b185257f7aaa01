"""Look at every page of the admin of a platform that runs: `python -m tests.e2e.tour --out DIR`.

In English and Japanese, light and dark: a screenshot of each, what its console says, and what axe
finds. Prints a table, and ends with 1 where something was found. The pages are those that the menu,
the lists and the pages of their first rows lead to; of each kind one is looked at.
"""

import argparse
import re
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Page

from tests.e2e import browser
from tests.e2e.browser import Tab

# What is no page, ends the visit, changes the language, or is not ours (Flower).
_LEFT_OUT = re.compile(
    r"/flower/|logout|/i18n/|/export/|\.csv|\.xlsx|\.json|_csv|jsi18n|/sessions/end"
)
_LINKS = """() => [...document.querySelectorAll("a[href]")].map((one) => one.href)"""


@dataclass(frozen=True)
class Visit:
    """What a page was like: its address, language, theme, and what was found."""

    path: str
    language: str
    theme: str
    findings: tuple[str, ...]


def kind_of(path: str) -> str:
    """Return the kind of a page: its address without numbers and questions."""
    return re.sub(r"/\d+(?=/)", "/N", path.partition("?")[0].partition("#")[0])


class Tour:
    """Goes through the platform at `url` once for a language and a theme."""

    def __init__(self, tab: Tab, url: str, out: Path, *, language: str, theme: str) -> None:
        self._tab, self._url, self._out = tab, url, out
        self._language, self._theme = language, theme
        self._host = urlsplit(url).netloc

    async def sign_in(self, user: str, password: str) -> None:
        """Sign in, and go to the home page."""
        page = self._tab.page
        await page.goto(f"{self._url}/admin/")
        await page.fill("[name=login]", user)
        await page.fill("[name=password]", password)
        await page.press("[name=password]", "Enter")
        await page.wait_for_url("**/admin/")

    async def discover(self) -> list[str]:
        """Return the address of one page of each kind, in the order in which they are met."""
        known = {"/admin/": "/admin/"}
        waiting = ["/admin/"]
        while waiting:
            await self._tab.page.goto(self._url + waiting.pop(0))
            for path in await self._led_to(self._tab.page):
                if kind_of(path) not in known:
                    known[kind_of(path)] = path
                    waiting.append(path)
        return list(known.values())

    async def _led_to(self, page: Page) -> list[str]:
        found = []
        for link in await page.evaluate(_LINKS):
            parts = urlsplit(link)
            is_ours = parts.netloc == self._host and parts.path.startswith(
                ("/admin/", "/accounts/")
            )
            if is_ours and not _LEFT_OUT.search(link):
                found.append(parts.path)
        return found

    async def visit(self, path: str) -> Visit:
        """Look at a page."""
        page = self._tab.page
        self._tab.said.clear()
        answer = await page.goto(self._url + path, wait_until="load")
        found = [] if answer is None or answer.status < 500 else [f"status {answer.status}"]
        found += [f"axe: {one}" for one in await self._tab.findings()]
        found += [f"console: {one}" for one in self._tab.said]
        name = kind_of(path).strip("/").replace("/", "_") or "root"
        await page.screenshot(
            path=str(self._out / f"{name}_{self._language}_{self._theme}.png"), full_page=True
        )
        return Visit(path, self._language, self._theme, tuple(found))


def main() -> int:
    """Go on the tour; return 1 where something was found."""
    arguments = _arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    visits: list[Visit] = []
    with browser.running() as chromium:
        paths: list[str] = []
        for language in arguments.languages:
            for theme in arguments.themes:
                tab = chromium.open(language=language, theme=theme)
                tour = Tour(tab, arguments.url, arguments.out, language=language, theme=theme)

                def do(work: Coroutine[Any, Any, Any]) -> Any:
                    return chromium.do(work, seconds=900)

                do(tour.sign_in(arguments.user, arguments.password))
                paths = paths or do(tour.discover())
                for path in paths:
                    visits.append(do(tour.visit(path)))
                    _tell(visits[-1])
                tab.close()
    return _report(visits)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Look at every page of the admin.")
    parser.add_argument("--url", default="http://localhost:8000")
    parser.add_argument("--out", type=Path, required=True, help="where screenshots go")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--password", help="default: what is in var/admin-password")
    parser.add_argument("--languages", nargs="+", default=["en", "ja"], choices=["en", "ja"])
    parser.add_argument("--themes", nargs="+", default=["light", "dark"], choices=["light", "dark"])
    arguments = parser.parse_args()
    arguments.url = arguments.url.rstrip("/")
    arguments.password = arguments.password or Path("var/admin-password").read_text().strip()
    return arguments


def _tell(visit: Visit) -> None:
    """Say at once what was found: a tour takes minutes, and may be ended before its end."""
    for finding in visit.findings:
        sys.stdout.write(f"{visit.path} {visit.language} {visit.theme}: {finding}\n")
        sys.stdout.flush()


def _report(visits: list[Visit]) -> int:
    paths = list(dict.fromkeys(visit.path for visit in visits))
    columns = list(dict.fromkeys((visit.language, visit.theme) for visit in visits))
    found = {(visit.path, visit.language, visit.theme): visit.findings for visit in visits}
    lines = ["".join(f"{f'{language} {theme}':>10}" for language, theme in columns) + "  page"]
    for path in paths:
        counts = (len(found[path, *column]) for column in columns)
        lines.append("".join(f"{count or 'ok':>10}" for count in counts) + f"  {path}")
    bad = sum(len(visit.findings) for visit in visits)
    lines.append(f"{len(paths)} pages, {len(visits)} visits, {bad} findings")
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
