"""What holds for every test."""

import signal
from typing import Any

import pytest

from ran_deploy.errors import MissingError
from ran_deploy.runtime.gpu import require_gpu

# A shell that starts a job in the background makes it ignore Ctrl-C, and its children inherit that; tests that send
# SIGINT would then wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)  # pytest may run without xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep an area's tests in one process: they share networks, engines and builds, which are else made in each.

    ``--dist loadgroup`` would do it by marks, but has no effect with pytest 9.2 and xdist 3.8, and does not say so.
    """
    from tests.areas import AreaScheduling

    return AreaScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is marked ``gpu`` where there is none, with the reason."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    try:
        require_gpu("this test")
    except MissingError as error:
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=error.message))
