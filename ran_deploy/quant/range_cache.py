"""Observed ranges, kept by what they were observed on: the model, the images, the method and the versions.

One JSON file for each entry in the user's cache (:func:`ran_deploy.files.cache_folder`). The whole key is in the file
and is compared, so that a renamed or truncated file never answers for something else. A cache that cannot be read or
written is only slower, never an error.
"""

import contextlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

from ran_deploy.config import to_mapping
from ran_deploy.errors import UsageError
from ran_deploy.files import cache_folder
from ran_deploy.json_files import json_digest, write_json
from ran_deploy.quant.calibrate import Ranges

_SCHEMA = "ran-deploy.ranges/v1"


def read_ranges(key: Mapping[str, Any]) -> Ranges | None:
    """Return the ranges stored for exactly this key; None if there are none or the entry is damaged."""
    try:
        document = json.loads(_entry(key).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("schema") != _SCHEMA or document.get("key") != _plain(key):
        return None
    maxima, amax = document.get("maxima"), document.get("amax")
    if not _are_ranges(maxima) or not _are_ranges(amax):
        return None
    return Ranges(maxima=maxima, amax=amax) if set(amax) == set(key["activations"]) else None


def write_ranges(key: Mapping[str, Any], ranges: Ranges) -> None:
    """Store ranges for this key, atomically; a folder that cannot be written to is left alone."""
    document = {"schema": _SCHEMA, "key": _plain(key), "maxima": ranges.maxima, "amax": ranges.amax}
    with contextlib.suppress(UsageError):
        write_json(_entry(key), document, indent=None)


def _entry(key: Mapping[str, Any]) -> Path:
    return cache_folder("ranges") / f"{json_digest(key)}.json"


def _plain(key: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(to_mapping(key)))


def _are_ranges(value: object) -> TypeGuard[dict[str, float]]:
    return isinstance(value, dict) and all(
        isinstance(item, float) and math.isfinite(item) and item >= 0 for item in value.values()
    )
