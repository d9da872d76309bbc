"""The colours of reports, in light and in dark, chosen so that text keeps a contrast of 4.5 on every ground.

The hues are those of Okabe and Ito's palette, which colour-blind people tell apart; nothing is said by colour alone.
"""

LIGHT = {
    "ground": "#ffffff",
    "panel": "#f5f7fa",
    "warn": "#fff6e3",
    "ink": "#1b2430",
    "soft": "#566170",
    "link": "#0060a0",
    "blue": "#0069a6",
    "orange": "#b04a00",
    "green": "#00734f",
    "purple": "#8f3f86",
    "line": "#d9dee5",
    "warnline": "#d9a441",
    "axis": "#838c97",
    "band": "#b9d3e6",
}
DARK = {
    "ground": "#12161c",
    "panel": "#1b2129",
    "warn": "#2d2410",
    "ink": "#e6eaf0",
    "soft": "#a7b1bd",
    "link": "#7cc4f5",
    "blue": "#63b8f0",
    "orange": "#f2a154",
    "green": "#4cc79c",
    "purple": "#dd9fd6",
    "line": "#333c48",
    "warnline": "#8a6d2f",
    "axis": "#77818d",
    "band": "#2f4d66",
}
GROUNDS = ("ground", "panel", "warn")
"""What text stands on."""
INKS = ("ink", "soft", "link", "blue", "orange", "green", "purple")
"""What text, and marks that carry meaning, are drawn in."""

INK, SOFT, GROUND, BAND = "var(--ink)", "var(--soft)", "var(--ground)", "var(--band)"
BLUE, ORANGE, GREEN, PURPLE = "var(--blue)", "var(--orange)", "var(--green)", "var(--purple)"


def variables(colours: dict[str, str]) -> str:
    """Return colours as the declarations of CSS variables."""
    return " ".join(f"--{name}: {value};" for name, value in colours.items())
