"""What holds for every test."""

import signal
from pathlib import Path

import pytest

from ran_deploy.errors import MissingError
from ran_deploy.runtime.gpu import require_gpu

# A shell that starts a job in the background makes it ignore Ctrl-C, and its children inherit that; tests that send
# SIGINT would then wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)


TESTS = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep an area's tests in one process, and skip what is marked ``gpu`` where there is none, with the reason."""
    if config.pluginmanager.hasplugin("xdist"):
        for item in items:  # areas share networks, engines and builds, which would else be made in each process
            item.add_marker(pytest.mark.xdist_group(item.path.relative_to(TESTS).parts[0]))
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    try:
        require_gpu("this test")
    except MissingError as error:
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=error.message))
