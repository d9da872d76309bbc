"""Which process runs which area of the tests, the longest areas first, so that both end at about the same time."""

from typing import Any

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

LONGEST = ("graph", "bench", "deploying", "cli", "house", "serve_cpp", "serving", "engine", "runtime", "quant", "train")
"""Roughly by what their longest tests take together; all others come after them."""


class AreaScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """One area, one process."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.split("::", maxsplit=1)[0].split("/")[1]

    def _assign_work_unit(self, node: Any) -> None:
        """Give out the longest area that is left."""
        first = min(self.workqueue, key=lambda area: LONGEST.index(area) if area in LONGEST else len(LONGEST))
        self.workqueue.move_to_end(first, last=False)
        super()._assign_work_unit(node)
