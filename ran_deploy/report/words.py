"""How numbers are written in reports."""


def ms(value: float) -> str:
    """Return milliseconds with three or four digits that count."""
    return f"{value:.3f}" if value < 10 else f"{value:.2f}" if value < 100 else f"{value:,.1f}"


def rate(value: float) -> str:
    """Return a rate per second."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def interval(limits: tuple[float, float] | None) -> str:
    """Return an interval of milliseconds; nothing where there is none."""
    return "" if limits is None else f"{ms(limits[0])} to {ms(limits[1])}"


def mebibytes(count: int | None) -> str:
    """Return bytes as MiB."""
    return "unknown" if count is None else f"{count / 2**20:,.0f} MiB"


def moment(created: str) -> str:
    """Return an ISO 8601 time in UTC to the minute."""
    return f"{created[:10]} {created[11:16]} UTC"
