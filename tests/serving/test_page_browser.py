"""The page in a real browser: what a person sees and can do, with nothing but this server."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ran_deploy.serving.spec import HostOptions, ModelSpec
from tests.explaining.masked import save_masked
from tests.serving.browser import NAMES, Browser, find_browser
from tests.serving.front import Running, running, save_means

CHROMIUM = find_browser()
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=f"none of {', '.join(NAMES)} is installed")
STRANGE = ('<img src=x onerror="document.title=1">', "green", "blue")
ANSWERED = "document.body.dataset.state === 'answered'"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("page")
    masked = ModelSpec(name="masked", path=save_masked(folder / "masked.onnx", labels=STRANGE))
    plain = [ModelSpec(name="plain", path=save_means(folder / f"plain{n}.onnx", gain=n / 100)) for n in (1, 9)]
    with running(masked, *plain, options=HostOptions(workers=0, max_pixels=50_000)) as server:
        yield server


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    assert CHROMIUM is not None
    with Browser(CHROMIUM, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    chromium.open("about:blank")  # the last page can complain no more
    chromium.complaints.clear()
    yield chromium
    assert chromium.complaints == []


@pytest.fixture
def red(tmp_path: Path) -> Path:
    path = tmp_path / "red.png"
    Image.new("RGB", (40, 30), (255, 0, 0)).save(path)
    return path


def text(browser: Browser, selector: str) -> str:
    found = browser.evaluate(f"document.querySelector({selector!r}).textContent")
    assert isinstance(found, str)
    return found


def brightness(browser: Browser, selector: str) -> float:
    """Return the mean brightness of a canvas; 0 where nothing was drawn."""
    script = (
        f"(() => {{ const c = document.querySelector({selector!r});"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "return d.reduce((sum, value, at) => at % 4 < 3 ? sum + value : sum, 0) / (d.length * 0.75); })()"
    )
    return float(browser.evaluate(script))


def test_a_sample_is_classified_on_load(server: Running, browser: Browser) -> None:
    browser.open(f"{server.addresses.http}/?sample=ship")
    browser.wait_for(ANSWERED)
    assert browser.evaluate("document.querySelectorAll('#top li').length") == 3
    assert browser.evaluate("[...document.querySelectorAll('#stages h3')].map((e) => e.textContent)") == [
        "Stage 1, 8 × 8",
        "Stage 2, 4 × 4",
    ]
    assert browser.evaluate("document.querySelectorAll('.tiles canvas').length") == 3
    assert brightness(browser, "#view") > 20
    assert brightness(browser, ".tiles canvas") > 20
    assert "ms" in text(browser, "#times .total")
    assert text(browser, "#facts").count("masked.onnx") == 1
    assert browser.evaluate("document.querySelector('#samples [data-sample=ship]').ariaPressed") == "true"


def test_labels_are_text_and_never_markup(server: Running, browser: Browser, red: Path) -> None:
    browser.open(server.addresses.http)
    browser.wait_for("document.body.dataset.state === 'ready'")
    browser.choose_file("#file", red)
    browser.wait_for(ANSWERED)
    assert text(browser, "#top .label") == STRANGE[0]
    assert browser.evaluate("document.title") == "ran-deploy: try a model"
    assert browser.evaluate("document.querySelectorAll('#top img').length") == 0


def test_an_image_is_dropped(server: Running, browser: Browser) -> None:
    browser.open(server.addresses.http)
    browser.wait_for("document.body.dataset.state === 'ready'")
    browser.evaluate(
        "fetch('page/samples/frog').then((answer) => answer.blob()).then((blob) => {"
        "const dataTransfer = new DataTransfer();"
        "dataTransfer.items.add(new File([blob], 'frog.jpg', {type: 'image/jpeg'}));"
        "document.dispatchEvent(new DragEvent('drop', {dataTransfer})); })"
    )
    browser.wait_for(ANSWERED)
    assert browser.evaluate("document.getElementById('view').ariaLabel") == "The image frog.jpg"


def test_a_format_that_only_the_browser_reads_is_converted(server: Running, browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "blue.bmp"
    Image.new("RGB", (20, 20), (0, 0, 255)).save(path)
    browser.open(server.addresses.http)
    browser.wait_for("document.body.dataset.state === 'ready'")
    browser.choose_file("#file", path)
    browser.wait_for(ANSWERED)
    assert text(browser, "#top .label") == "blue"


def test_a_mask_is_chosen_by_keyboard(server: Running, browser: Browser) -> None:
    browser.open(f"{server.addresses.http}/?sample=frog")
    browser.wait_for(ANSWERED)
    before = brightness(browser, "#view")
    browser.evaluate("document.querySelector('.tiles button').focus()")
    browser.press("Enter", 13, "\r")
    assert browser.evaluate("document.querySelector('.tiles button').ariaPressed") == "true"
    assert brightness(browser, "#view") != before
    browser.press("Enter", 13, "\r")
    assert browser.evaluate("document.querySelector('.tiles button').ariaPressed") == "false"
    assert brightness(browser, "#view") == before


def test_another_version_answers_when_it_is_chosen(server: Running, browser: Browser, red: Path) -> None:
    browser.open(f"{server.addresses.http}/?model=plain&version=1")
    browser.wait_for("document.body.dataset.state === 'ready'")
    browser.choose_file("#file", red)
    browser.wait_for(ANSWERED)
    weak = text(browser, "#top .percent")
    assert "export --with-masks" in text(browser, "#attention-note")
    browser.evaluate(
        "(() => { const version = document.getElementById('version');"
        "version.value = '2'; version.dispatchEvent(new Event('change')); })()"
    )
    browser.wait_for(f"{ANSWERED} && document.querySelector('#top .percent').textContent !== {weak!r}")
    assert text(browser, "#top .percent") == "100.00%"
    assert "plain9.onnx" in text(browser, "#facts")


def test_more_requests_fill_the_curve(server: Running, browser: Browser) -> None:
    browser.open(f"{server.addresses.http}/?sample=truck")
    browser.wait_for(ANSWERED)
    browser.evaluate("document.getElementById('more').click()")
    browser.wait_for("document.getElementById('spread').textContent.startsWith('Last 21 requests: median')")
    assert browser.evaluate("document.querySelector('#spark polyline').points.numberOfItems") == 21


def test_what_is_no_image_is_said(server: Running, browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "notes.png"
    path.write_text("no image")
    browser.open(server.addresses.http)
    browser.wait_for("document.body.dataset.state === 'ready'")
    browser.choose_file("#file", path)
    browser.wait_for("document.body.dataset.state === 'failed'")
    assert "not an image" in text(browser, "#status")


def test_what_the_server_refuses_is_said(server: Running, chromium: Browser, tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("RGB", (300, 300)).save(path)
    chromium.open(server.addresses.http)
    chromium.wait_for("document.body.dataset.state === 'ready'")
    chromium.choose_file("#file", path)
    chromium.wait_for("document.body.dataset.state === 'failed'")
    assert "300×300 pixels" in text(chromium, "#status")
    assert chromium.evaluate("document.getElementById('status').className") == "problem"


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_sticks_out_and_colours_follow(
    server: Running, browser: Browser, tmp_path: Path, width: int, dark: bool
) -> None:
    browser.open(f"{server.addresses.http}/?sample=horse", width=width, height=800, dark=dark)
    browser.wait_for(ANSWERED)
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    browser.screenshot(tmp_path / "page.png")
    with Image.open(io.BytesIO((tmp_path / "page.png").read_bytes())) as picture:
        corner = np.asarray(picture.convert("L"))[2, 2]
    assert corner < 40 if dark else corner > 215
