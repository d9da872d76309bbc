"""TensorRT-RTX's own word on whether a plan can run on this GPU, given before anything is deserialized."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from ran_deploy.errors import IncompatibleError, IntegrityError


def check_validity(library: ModuleType, runtime: Any, path: Path, plan: bytes) -> None:
    """Ask TensorRT-RTX about a plan; the full TensorRT has no such question, and nothing is checked then.

    It reads the plan's header only, and is no protection against tampering: the hash is.

    Raises:
        IntegrityError: The plan is malformed.
        IncompatibleError: It does not run on this GPU, or with this driver or library.
    """
    if not hasattr(runtime, "get_engine_validity"):
        return
    validity, diagnostics = runtime.get_engine_validity(plan)
    reasons = _names(library, int(diagnostics))
    if validity == library.EngineValidity.INVALID:
        if "MALFORMED_ENGINE" in reasons:
            raise IntegrityError(
                f"{path} is not a plan that TensorRT-RTX {library.__version__} can read.", fix="Build it again."
            )
        raise IncompatibleError(
            f"TensorRT-RTX {library.__version__} refuses {path} on this machine: {_said(reasons)}.",
            fix="Update the GPU's driver if that is named, or build the plan again: ran-deploy build",
        )
    if validity == library.EngineValidity.SUBOPTIMAL:
        sys.stderr.write(f"warning: TensorRT-RTX says that {path} is not the best for this GPU: {_said(reasons)}\n")


def _names(library: ModuleType, diagnostics: int) -> list[str]:
    members = library.EngineInvalidityDiagnostics.__members__
    return [name for name, member in members.items() if int(member) & diagnostics]


def _said(reasons: list[str]) -> str:
    return ", ".join(reason.lower().replace("_", " ") for reason in reasons) or "no reason given"
