"""Write down the exact versions that are installed here, of all that ran-deploy's extras and tests need.

    make lock        # after make test

pip takes the file as constraints (``--constraint``), so one file serves every choice of extras. Local versions, such as
"+cpu" of torch, are left out: they name a build, not a version. The file is for one version of Python on one platform.
"""

import importlib.metadata
import platform
import re
import sys
from pathlib import Path

from ran_deploy.packaging.pins import pin

EXTRAS = "cpu,openvino,train,tensorrt-rtx,serve,parquet,ray,tensorboard,dev"
LOCK = Path(__file__).with_name("development.txt")


def main() -> None:
    """Write the file."""
    installed = {dist.name for dist in importlib.metadata.distributions()}
    pins = pin([f"ran-deploy[{EXTRAS}]", "pip"], fix="Run: make test")
    lines = [re.sub(r"\+.*", "", line) for line in pins if not line.startswith("ran-deploy==")]
    header = f"# Python {platform.python_version()}, {sys.platform} {platform.machine()}; made by: make lock"
    LOCK.write_text("\n".join([header, *lines]) + "\n")
    sys.stdout.write(f"{LOCK.name}: {len(lines)} of {len(installed)} installed packages\n")


if __name__ == "__main__":
    main()
