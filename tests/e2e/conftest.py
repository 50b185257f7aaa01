"""A real browser: Chromium of the system, driven as a person would, against a server of the test's.

Where there is no Chromium these tests are skipped, and say so.
"""

import os
import shutil
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

# Playwright's loop runs in this thread; Django would take that for a view that must not wait.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
)
PASSWORD = "correct horse battery staple"
# What a page says there that is no fault of ours: a page that is refused is an error to Chromium.
HARMLESS = ("Failed to load resource: the server responded with a status of 403",)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def boss(transactional_db: None) -> User:
    return User.objects.create_superuser("ann", "ann@cpo.example", PASSWORD)


@pytest.fixture
def page(chromium: Browser, live_server: LiveServer, boss: User) -> Iterator[Page]:
    """A page of somebody who has just signed in, by keyboard; what its console says are errors."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(20_000)
    said: list[str] = []
    page.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{live_server.url}/admin/")
    # The cursor is there already.
    expect(page.locator("[name=login]")).to_be_focused()
    page.keyboard.type(boss.username)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{live_server.url}/admin/", wait_until="domcontentloaded")
    yield page
    context.close()
    assert [text for text in said if not text.startswith(HARMLESS)] == []
