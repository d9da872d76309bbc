"""What holds for every test."""

import signal

import pytest

from ran_deploy.errors import MissingError
from ran_deploy.runtime.gpu import require_gpu

# A shell that starts a job in the background makes it ignore Ctrl-C, and its children inherit that; tests that send
# SIGINT would then wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)


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
