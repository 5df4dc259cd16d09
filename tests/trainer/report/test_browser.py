"""The page in a real browser: no errors, no requests, videos that play, no findings of axe, phone and desktop."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.conftest import shared
from tests.trainer.report.conftest import attacked_set, clean_set, finished_run, sound_set
from tests.trainer.report.test_page import HOSTILE
from trainer import files
from trainer.evaluation.grad_cam import Explanation, Explanations
from trainer.progress import Progress
from trainer.report import page
from trainer.report.page import ReportOptions
from trainer.runs import folder as runs

CHROMIUM = shutil.which("chromium")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium; apt-get install chromium")

PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page about everything: an attack on pictures with hostile names, its baseline, and one on sound."""
    return shared(tmp_path_factory, "page", write_page) / "report.html"


def write_page(folder: Path) -> None:
    manifest = attacked_set(folder, HOSTILE)
    attack = finished_run(folder / "attack", manifest, wrong=["clip10"])
    _explain(attack)
    clean = finished_run(folder / "baseline", clean_set(manifest))
    sound = finished_run(folder / "sound", sound_set(folder), model="audio", views="1x1@80")
    page.report(ReportOptions([attack, clean, sound], folder / "report.html"), Progress())


def _explain(run: Path) -> None:
    (run / "explanations").mkdir()
    cv2.imwrite(str(run / "explanations" / "01-clean.png"), np.full((60, 200, 3), 90, np.uint8))
    picture = Explanation("01-clean.png", "clip10", "test", HOSTILE[1], HOSTILE[0], 0.9, HOSTILE[0], False)
    found = Explanations(
        run=str(run),
        model="i3d",
        manifest=runs.read_metrics(run).manifest,
        weights="0",
        method="Grad-CAM",
        layer="the last convolutional stage",
        grid=[2, 3, 3],
        pictures=[picture],
    )
    files.write_json(run / "explanations" / "explanations.json", found)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


class Visit:
    """A page opened with a screen and a scheme; `complaints`: the console's, `requests`: what was asked for."""

    def __init__(self, browser: Any, html: Path, **context: Any) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page = browser.new_context(**context).new_page()
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(html.as_uri())
        self.page.wait_for_function("document.readyState === 'complete'")


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_no_errors_no_requests_no_sideways_scrolling(browser: Any, html: Path, viewport: dict[str, int]) -> None:
    visit = Visit(browser, html, viewport=viewport)
    visit.page.wait_for_timeout(200)
    assert visit.complaints == []
    assert [url for url in visit.requests if not url.startswith("data:")] == [html.as_uri()]
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # nor behind what hides it: whatever is wider than the screen scrolls in a box of its own
    wide = """() => [...document.querySelectorAll('body *')]
        .filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.scroll, .canvas'))
        .map(e => e.outerHTML.slice(0, 80))"""
    assert visit.page.evaluate(wide) == []


def test_videos_and_sounds_play(browser: Any, html: Path) -> None:
    visit = Visit(browser, html, viewport=DESKTOP)
    videos = visit.page.locator("video")
    assert videos.count() == 2
    for number in range(2):
        play = "async video => { await video.play(); return [video.videoWidth, video.readyState]; }"
        width, ready = videos.nth(number).evaluate(play)
        assert width > 0
        assert ready >= 2
        moving = "n => document.querySelectorAll('video')[n].currentTime > 0.1"
        visit.page.wait_for_function(moving, arg=number, timeout=5000)
    sounds = visit.page.locator("audio")
    assert sounds.count() == 4
    durations = sounds.evaluate_all("all => all.map(one => one.duration)")
    assert durations == pytest.approx([2, 2, 2, 2], abs=0.05)
    broken = "[...document.images].filter(image => !image.complete || image.naturalWidth === 0).length"
    assert visit.page.evaluate(broken) == 0
    assert visit.complaints == []


def test_a_request_is_blocked_by_the_pages_own_policy(browser: Any, html: Path) -> None:
    """Whatever got into the page could not leave it: neither a script nor a picture from elsewhere."""
    spoiled = html.with_name("spoiled.html")
    added = "<script>document.title = 'run'</script><img src='https://example.invalid/a.png'></main>"
    spoiled.write_text(html.read_text(encoding="utf-8").replace("</main>", added), encoding="utf-8")
    visit = Visit(browser, spoiled, viewport=DESKTOP)
    visit.page.wait_for_timeout(200)
    assert visit.page.title() != "run"
    assert len([text for text in visit.complaints if "Content Security Policy" in text]) == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_axe_finds_nothing(browser: Any, html: Path, scheme: str, viewport: dict[str, int]) -> None:
    from axe_playwright_python.sync_playwright import Axe

    # axe is put into the page, whose policy lets no script in
    visit = Visit(browser, html, viewport=viewport, color_scheme=scheme, bypass_csp=True)
    visit.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    found = Axe().run(visit.page).response
    assert len(found["passes"]) > 20
    assert [(v["id"], [node["html"][:120] for node in v["nodes"][:3]]) for v in found["violations"]] == []


def test_keyboard(browser: Any, html: Path) -> None:
    visit = Visit(browser, html, viewport=DESKTOP)
    keyboard = visit.page.keyboard
    keyboard.press("Tab")
    focused = "[document.activeElement.className, document.activeElement.getBoundingClientRect().left >= 0]"
    assert visit.page.evaluate(focused) == ["skip", True]
    keyboard.press("Enter")
    assert visit.page.evaluate("document.activeElement.id") == "main"
    visit.page.locator("summary").first.focus()
    keyboard.press("Enter")
    assert visit.page.locator("details").first.evaluate("one => one.open")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert visit.page.evaluate(outline) == "solid"


def test_schemes_differ_and_print_is_light(browser: Any, html: Path) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        visit = Visit(browser, html, viewport=DESKTOP, color_scheme=scheme)
        colours[scheme] = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
        ink = visit.page.evaluate("getComputedStyle(document.querySelector('svg text')).fill")
        assert ink == visit.page.evaluate("getComputedStyle(document.body).color")
    assert colours["light"] != colours["dark"]
    visit.page.emulate_media(media="print", color_scheme="dark")
    assert visit.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert visit.page.evaluate("document.querySelector('details table').getBoundingClientRect().height > 20")
