"""Images in tar files, as WebDataset writes them: read where they lie, nothing is unpacked.

Source: the format as POSIX.1-2001 (pax) and GNU tar define it; WebDataset's shards are plain tar files.
"""

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from ran_deploy.data.preprocess import is_image_name
from ran_deploy.errors import IntegrityError
from ran_deploy.offline.item import MAX_BYTES, Item, Span, printable

_MAX_HEADER_BYTES = 1 << 20
"""Longest extended header that is read; real ones hold a few names and times."""
_FIX = "Make the shard again."


def tar_items(path: Path, shown: str) -> Iterator[Item]:
    """Yield the images of a tar file in its order; other members (labels, texts, folders) are passed over.

    A member that is named like an image but is a link, a device or a sparse file, leads out of the shard, or is
    larger than :data:`~ran_deploy.offline.item.MAX_BYTES`, is an item that says so. Where the tar itself is damaged,
    the last item says so. Memory does not grow with the number of members.

    Args:
        path: The shard.
        shown: What results call it.
    """
    count = 0
    try:
        with path.open("rb") as stream, tarfile.open(fileobj=_Bounded(stream), mode="r:") as tar:  # type: ignore[call-overload]
            while (member := tar.next()) is not None:
                tar.members = []  # tarfile would remember them all
                if tar.offset < member.offset_data:  # older versions of tarfile would go round for ever
                    raise tarfile.ReadError("a member of negative size")  # noqa: TRY301 - told as all other damage is
                if not member.isdir() and is_image_name(PurePosixPath(member.name).name):
                    yield _item(path, shown, member)
                    count += 1
            _check_end(stream, tar.offset)
    except Exception as error:  # a damaged archive can make the reader raise nearly anything
        problem = f"{shown} is damaged or not a tar file, after {count} images: {error}."
        yield Item(shown, None, IntegrityError(problem, fix=_FIX))


def check_tar(path: Path) -> None:
    """Fail early if a file is no tar file at all.

    Raises:
        IntegrityError: It is not.
    """
    first = next(tar_items(path, str(path)), None)
    if first is not None and first.member is None and isinstance(first.content, IntegrityError):
        raise first.content


def _check_end(stream: IO[bytes], offset: int) -> None:
    """Tell the end from damage and from a cut between two members, which tarfile takes for the end as well."""
    stream.seek(offset)
    block = stream.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("it has no end mark, so it was cut off")
    if any(block):
        raise tarfile.ReadError(f"no header at byte {offset}")


def _item(path: Path, shown: str, member: tarfile.TarInfo) -> Item:
    name, called = PurePosixPath(member.name), printable(member.name)
    if member.issym() or member.islnk():
        problem = "is a link, which is not followed"
    elif not member.isreg() or member.issparse():
        problem = "is not a plain file"
    elif name.is_absolute() or ".." in name.parts:
        problem = "leads out of the shard"
    elif member.size > MAX_BYTES:
        problem = f"has {member.size} bytes; at most {MAX_BYTES} are read"
    else:
        return Item(shown, called, Span(path, member.offset_data, member.size))
    return Item(shown, called, IntegrityError(f"{shown}: {called} {problem}.", fix=_FIX))


class _Bounded:
    """A file for tarfile, which itself reads a header of whatever length that header claims."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self._stream.read(size)
