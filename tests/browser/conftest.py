"""One Chromium for all tests of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.chromium import Browser


@pytest.fixture(scope="session")
def _browser(part: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(part("chromium"), tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def browser(_browser: Browser) -> Browser:
    """The browser as it is when it is started: 1280 by 900, light, scripts allowed."""
    _browser.size(1280, 900)
    _browser.media()
    _browser.scripts(allowed=True)
    return _browser


@pytest.fixture
def shown(browser: Browser, tmp_path: Path) -> Callable[[str], None]:
    """Opens a page's text from a file, as somebody who has downloaded it."""

    def show(text: str, fragment: str = "") -> None:
        path = tmp_path / "timeline.html"
        path.write_text(text, encoding="utf-8")
        browser.open(f"{path.as_uri()}{fragment}")

    return show
