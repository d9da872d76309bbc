"""Batch normalization over the whole batch where processes share it, on GPUs and on CPUs.

torch's own SyncBatchNorm is for GPUs only. Mean and variance are those of all processes' images, put together from
each process's own (Chan, Golub and LeVeque, 1983), and the gradient flows through both, so that several processes
compute what one would, up to rounding.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from ran_deploy.train.group import Group


class _Normalize(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917  # autograd passes arguments by place
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor, norm: "SyncNorm"
    ) -> Any:
        ctx.save_for_backward(x, weight, mean, torch.rsqrt(var + norm.eps))
        ctx.group = norm.group
        return functional.batch_norm(x, mean, var, weight, bias, training=False, eps=norm.eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        x, weight, mean, inverse = ctx.saved_tensors
        dims, shape, count = _reduced(x)
        gradient = _wide(gradients[0])
        normal = (_wide(x) - mean.view(shape)) * inverse.view(shape)
        own = torch.stack((gradient.sum(dims), (gradient * normal).sum(dims)))
        both = ctx.group.sum(own.clone()) / (count * ctx.group.size)
        dx = (weight * inverse).view(shape) * (gradient - both[0].view(shape) - normal * both[1].view(shape))
        return dx.to(x.dtype), own[1], own[0], None, None, None


class SyncNorm(_BatchNorm):
    """Batch normalization with the statistics of all processes' images; each process has as many of them.

    Shapes: [N, C, ...] → the same.
    """

    group: Group
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002  # the base class's name
        pass

    def forward(self, x: Tensor) -> Tensor:
        """Normalize; in training, take part in the group's exchange."""
        if not self.training:
            return super().forward(x)
        with torch.no_grad():
            mean, var = self._statistics(x)
        return _Normalize.apply(x, self.weight, self.bias, mean, var, self)  # type: ignore[no-any-return, no-untyped-call]

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        dims, _, count = _reduced(x)
        var, mean = torch.var_mean(_wide(x), dims, correction=0)
        every = self.group.gather(torch.stack((mean, var)))
        mean = every[:, 0].mean(0)
        var = (every[:, 1] + (every[:, 0] - mean).square()).mean(0)
        everything = count * self.group.size
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(var * (everything / (everything - 1)), self.momentum)
        return mean, var


def synchronize(model: nn.Module, group: Group) -> None:
    """Make every batch normalization of ``model`` normalize over the whole group, in place; weights stay the same.

    Raises:
        TypeError: One has no weights, keeps no running statistics, or averages them otherwise than exponentially.
    """
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            if not (module.affine and module.track_running_stats and module.momentum):
                raise TypeError(f"{module} is not a batch normalization that processes can share")
            module.__class__ = SyncNorm
            module.group = group  # type: ignore[assignment]


def _wide(x: Tensor) -> Tensor:
    """Return ``x`` in the precision that sums need: float32 at least."""
    return x if x.dtype == torch.float64 else x.float()


def _reduced(x: Tensor) -> tuple[list[int], list[int], int]:
    """Return the dimensions to reduce, the shape that spreads channels over ``x``, and the values of each channel."""
    return [0, *range(2, x.ndim)], [1, -1, *[1] * (x.ndim - 2)], x.numel() // x.shape[1]
