"""Time that passes only when somebody says so."""

from typing import Any

from ran_deploy.bench.boundary import Timed
from ran_deploy.bench.server import Timer

MS = 1_000_000


class FakeTime:
    """A clock that moves when something sleeps or runs."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.ran: list[Any] = []

    def clock(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)

    @property
    def timer(self) -> Timer:
        return Timer(now_ns=self.clock, sleep_s=self.sleep)

    def call(self, *durations_ms: int, payloads: tuple[Any, ...] = ("a", "b")) -> Timed[Any]:
        """Something that takes these times in turn."""

        def run(payload: Any) -> None:
            self.now_ns += durations_ms[len(self.ran) % len(durations_ms)] * MS
            self.ran.append(payload)

        return Timed(run, payloads)
