"""OpenVINO for the tests: imported as ran-deploy imports it, without its telemetry."""

from typing import Any

import pytest

from ran_deploy.errors import MissingError
from ran_deploy.runtime.openvino_load import load_openvino


def require_openvino() -> Any:
    """Return the package, or skip the test, or the module that is being imported."""
    try:
        return load_openvino("The test")
    except MissingError as error:
        pytest.skip(error.message, allow_module_level=True)
