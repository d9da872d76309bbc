"""Contrast, computed as WCAG 2.2 defines it: 4.5 for text, 3 for what is drawn."""

import pytest

from ran_deploy.report.palette import DARK, GROUNDS, INKS, LIGHT
from ran_deploy.report.style import CSS

TEXT, DRAWN = 4.5, 3.0


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_of_known_colours() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ground", GROUNDS)
def test_text_can_be_read_on_every_ground(colours: dict[str, str], ground: str) -> None:
    poor = {
        ink: contrast(colours[ink], colours[ground]) for ink in INKS if contrast(colours[ink], colours[ground]) < TEXT
    }
    assert not poor
    assert contrast(colours["axis"], colours[ground]) >= DRAWN


def test_both_palettes_have_the_same_names_and_no_other_colour_is_used() -> None:
    assert set(LIGHT) == set(DARK) >= {*GROUNDS, *INKS}
    written = CSS.split("* { box-sizing")[1]  # after the palettes
    assert "#" not in written
    assert "prefers-color-scheme: dark" in CSS
    used = {piece.partition(")")[0] for piece in CSS.split("var(--")[1:]}
    assert used <= set(LIGHT)
