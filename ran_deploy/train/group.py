"""The processes that train one network together, as ``torchrun`` starts them; or a single one."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from ran_deploy.errors import MissingError, RanDeployError, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One process's place among those that train together; a single process by default."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    """Place among the processes of this machine."""

    @property
    def first(self) -> bool:
        """Whether this process writes the files and speaks."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum of ``values`` over the processes; the same bytes in all of them. Changes ``values``."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def gather(self, values: Tensor) -> Tensor:
        """Return the tensors of all processes, which have one shape, in their order: [size, ...]."""
        if self.size == 1:
            return values[None]
        parts = [torch.empty_like(values) for _ in range(self.size)]
        dist.all_gather(parts, values.contiguous())
        return torch.stack(parts)

    def share(self, data: bytes | None) -> bytes | None:
        """Return what the first process has, in all of them; what the others give is ignored."""
        if self.size == 1:
            return data
        count = torch.tensor([-1 if data is None else len(data)])
        dist.broadcast(count, src=0)
        if count.item() < 0:
            return None
        content = torch.frombuffer(bytearray(data), dtype=torch.uint8) if self.first and data else None
        if content is None:
            content = torch.empty(int(count.item()), dtype=torch.uint8)
        dist.broadcast(content, src=0)
        return content.numpy().tobytes()

    def require_same(self, digest: str) -> None:
        """Check that all processes were started with the same settings.

        Args:
            digest: Hexadecimal digest of the settings, of one length in all processes.

        Raises:
            UsageError: They were not.
        """
        every = self.gather(torch.frombuffer(bytearray(bytes.fromhex(digest)), dtype=torch.uint8))
        different = [rank for rank in range(self.size) if not torch.equal(every[rank], every[0])]
        if different:
            raise UsageError(
                f"Process {different[0]} of {self.size} trains with other settings or images than process 0.",
                fix="Start all processes with the same command, on copies of the same data.",
            )


@contextlib.contextmanager
def join_group() -> Iterator[Group]:
    """Join the processes that ``torchrun`` started, over NCCL where there are GPUs and over Gloo for the rest.

    Without ``torchrun`` this is a group of one. A process group that the caller has made already is used, and left.

    Raises:
        MissingError: There are fewer GPUs on this machine than processes.
        RanDeployError: Another process ended, so that this one could not go on.
    """
    made = not (dist.is_available() and dist.is_initialized())
    if made and int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Group()
        return
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    if torch.cuda.is_available():
        if local_rank >= torch.cuda.device_count():
            raise MissingError(
                f"Process {local_rank} on this machine has no GPU: there are {torch.cuda.device_count()}.",
                fix="Start as many processes as there are GPUs: torchrun --nproc-per-node gpu.",
            )
        torch.cuda.set_device(local_rank)
    try:
        if made:
            dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
        yield Group(rank=dist.get_rank(), size=dist.get_world_size(), local_rank=local_rank)
    except RuntimeError as error:
        if not _is_lost(error):
            raise
        raise RanDeployError(
            f"Another process of this training ended or cannot be reached: {str(error).splitlines()[0]:.160}",
            fix="See what that process says; start all of them again with --resume.",
        ) from error
    if made:  # not after an error: it would wait for processes that are gone
        dist.destroy_process_group()


def _is_lost(error: RuntimeError) -> bool:
    return isinstance(error, dist.DistError) or any(word in str(error) for word in ("gloo", "NCCL", "peer", "store"))
