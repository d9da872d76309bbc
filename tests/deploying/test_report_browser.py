"""The report in a real browser: it fits a phone, on paper its folded tables are open, and nothing is fetched."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from ran_deploy.deploying.report import write_report
from ran_deploy.deploying.result import DeployResult
from tests.deploying.measured import measured_result
from tests.serving.browser import NAMES, Browser, find_browser

CHROMIUM = find_browser()
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=f"none of {', '.join(NAMES)} is installed")
LONG = "a_folder_with_a_very_long_name/" * 6 + "NetworkWithANameThatNeverEndsAndHasNoPlaceToBreakItInTwo.onnx"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    assert CHROMIUM is not None
    with Browser(CHROMIUM, tmp_path_factory.mktemp("profile")) as browser:
        yield browser
        assert browser.complaints == []


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the addresses of a plain report, and of one with long names and many warnings."""
    folder, result = tmp_path_factory.mktemp("reports"), measured_result()
    return {
        name: write_report(made, folder / name).as_uri()
        for name, made in (("plain", result), ("long", _with_long_names(result)))
    }


def _with_long_names(result: DeployResult) -> DeployResult:
    assert result.pareto is not None
    return replace(
        result,
        name=LONG,
        source=replace(result.source, name=LONG),
        variants=tuple(
            replace(
                one,
                name=f"{LONG}, {place}",
                reason=LONG,
                kept=(LONG,),
                engine=one.engine and replace(one.engine, name=LONG),
            )
            for place, one in enumerate(result.variants)
        ),
        pareto=replace(
            result.pareto,
            points=tuple(replace(one, name=f"{LONG}, {place}") for place, one in enumerate(result.pareto.points)),
        ),
        stages=tuple(replace(stage, name=LONG, summary=LONG, command=f"ran-deploy {LONG}") for stage in result.stages),
        lineage=tuple(replace(link, name=LONG) for link in result.lineage),
        recommendation=replace(result.recommendation, variant=f"{LONG}, 0", sentence=LONG, next_command=LONG),
        warnings=tuple(f"{LONG} {number}" for number in range(40)),
        command=f"ran-deploy deploy --onnx {LONG}",
    )


@pytest.mark.parametrize("name", ["plain", "long"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_never_scrolls_sideways(browser: Browser, pages: dict[str, str], name: str, width: int) -> None:
    browser.open(pages[name], width=width)
    assert browser.evaluate(OVERFLOW) <= 0
    browser.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert browser.evaluate(OVERFLOW) <= 0


def test_wide_tables_scroll_in_a_box_that_the_keyboard_reaches(browser: Browser, pages: dict[str, str]) -> None:
    browser.open(pages["plain"], width=360)
    wide = "[...document.querySelectorAll('.wide')].filter((box) => box.scrollWidth > box.clientWidth)"
    assert browser.evaluate(f"{wide}.length") > 0
    assert browser.evaluate(f"{wide}.every((box) => box.tabIndex === 0 && box.getAttribute('aria-label'))")


def test_words_of_pictures_can_be_read_on_a_phone(browser: Browser, pages: dict[str, str]) -> None:
    browser.open(pages["plain"], width=360)
    heights = browser.evaluate(
        "[...document.querySelectorAll('figure svg text')].filter((text) => text.checkVisibility())"
        ".map((text) => { const { a, b } = text.getScreenCTM();"
        "return parseFloat(getComputedStyle(text).fontSize) * Math.hypot(a, b); })"
    )
    assert min(heights) >= 9


def test_dark_is_dark_and_paper_is_white(browser: Browser, pages: dict[str, str]) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    browser.open(pages["plain"], dark=True)
    assert browser.evaluate(ground) == "rgb(18, 22, 28)"
    browser.open(pages["plain"])
    assert browser.evaluate(ground) == "rgb(255, 255, 255)"
    browser.open(pages["plain"], dark=True)
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.evaluate(ground) == "rgb(255, 255, 255)"
    browser.call("Emulation.setEmulatedMedia", media="")


def test_folded_tables_are_open_on_paper(browser: Browser, pages: dict[str, str]) -> None:
    browser.open(pages["plain"])
    if not browser.evaluate("CSS.supports('selector(::details-content)')"):
        pytest.skip("this browser is older than the style that opens them")
    shown = "[...document.querySelectorAll('details table')].filter((one) => one.checkVisibility()).length"
    assert browser.evaluate(shown) == 0
    browser.call("Emulation.setEmulatedMedia", media="print")
    tables = browser.evaluate("document.querySelectorAll('details table').length")
    assert browser.evaluate(shown) == tables > 0
    browser.call("Emulation.setEmulatedMedia", media="")


def test_a_tab_leads_to_the_content_and_the_focus_is_seen(browser: Browser, pages: dict[str, str]) -> None:
    browser.open(pages["plain"])
    browser.press("Tab", 9)
    assert browser.evaluate("document.activeElement.getAttribute('href')") == "#main"
    assert browser.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
