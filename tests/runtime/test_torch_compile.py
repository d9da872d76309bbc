"""The compiled checkpoint."""

from typing import Any

import numpy as np
import pytest
import torch

from ran_deploy.errors import MissingError
from ran_deploy.runtime.open import open_engine


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the compiler's own code
def test_agrees_with_the_eager_network_at_every_batch_size(engines: Any) -> None:
    images = np.random.default_rng(2).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    with open_engine(engines.checkpoint) as eager, open_engine(engines.checkpoint, runtime="torch-compile") as compiled:
        assert (eager.info.provider, compiled.info.provider) == ("eager", "torch.compile")
        for count in (1, 5, 2):
            assert np.abs(eager.run(images[:count]) - compiled.run(images[:count])).max() < 1e-4


def test_a_compiler_that_does_not_work_is_said_on_opening(engines: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(module: torch.nn.Module) -> Any:
        def run(batch: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found\nand a long trace")

        return run

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(MissingError, match=r"torch\.compile does not work here: .*No working C\+\+ compiler") as caught:
        open_engine(engines.checkpoint, runtime="torch-compile")
    assert "g++" in caught.value.fix
    assert "long trace" not in caught.value.message
