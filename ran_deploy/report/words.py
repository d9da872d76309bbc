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


def shorten(name: str, most: int) -> str:
    """Return a name of at most ``most`` letters: of a longer one the middle is left out, since both ends tell."""
    if len(name) <= most:
        return name
    kept = max(most - 1, 2)
    return f"{name[: kept // 2]}…{name[-(kept - kept // 2) :]}"


def size(count: int) -> str:
    """Return a file's size."""
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.1f} KiB"


def seconds(value: float) -> str:
    """Return how long something took."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s"


def counted(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
