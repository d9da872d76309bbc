"""The baseline of the CPU benchmarks: what a user gets who writes the network plainly and calls the exporter plainly.

As most public ports do, it upsamples to the size of a tensor and fuses the mask as (1 + M)·T; the input is float32
NCHW, normalized by the caller, and ``torch.onnx.export`` runs with its defaults. The weights are the same.
"""

import warnings
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor, nn
from torch.nn import functional

from ran_deploy.arch import attention, soft_mask


def _upsample(x: Tensor) -> Tensor:
    size = (2 * x.shape[-2], 2 * x.shape[-1])
    return functional.interpolate(x, size=size, mode="bilinear", align_corners=True)


def _forward(self: attention.AttentionModule, x: Tensor, seen: None = None) -> Tensor:
    if seen is not None:
        raise TypeError("a plain export shows no masks")
    x = self.before(x)
    trunk = self.trunk(x)
    return self.after((1 + self.mask(x)) * trunk)  # type: ignore[no-any-return]


def export_plainly(network: nn.Module, size: int, path: Path) -> None:
    """Write the plain ``.onnx`` file of a network that takes images of ``size`` pixels."""
    example = torch.zeros(2, 3, size, size)
    with (
        mock.patch.object(soft_mask, "_upsample", _upsample),
        mock.patch.object(attention.AttentionModule, "forward", _forward),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (example,),
            path,
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            external_data=False,
            verbose=False,
        )
