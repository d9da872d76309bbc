"""Images in Parquet files: their bytes, as Hugging Face's datasets hold them, or the paths of image files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ran_deploy.errors import IntegrityError, RanDeployError, UsageError
from ran_deploy.files import require_file
from ran_deploy.offline.item import MAX_BYTES, Item
from ran_deploy.optional import require

COLUMNS = ("image", "bytes", "path")
"""Columns that are looked for, in this order. Bytes, or a struct with ``bytes``, are an image file's content; text is
the path of one, relative to the shard's folder."""
_READ_ROWS = 32
"""Rows held at once; a row group may be as large as the file."""
_ROWS_PER_BYTE = 1000
"""A file that claims more rows than this for each of its bytes is lying."""
_BYTES, _TEXT = ("binary", "large_binary"), ("string", "large_string")
"""Names of Arrow types."""
_FIX = "Make the shard again, or leave it out."


@dataclass(frozen=True, slots=True)
class ParquetShard:
    """A Parquet file; it is opened when it is read.

    Args:
        path: The file.
        shown: What results call it.
    """

    path: Path
    shown: str

    def rows(self) -> int:
        """Return the number of rows.

        Raises:
            UsageError: The file is missing, or has none of :data:`COLUMNS`.
            IntegrityError: It is not a Parquet file.
            MissingError: pyarrow is missing.
        """
        with self._open() as file:
            return int(file.metadata.num_rows)

    def items(self, start: int = 0) -> Iterator[Item]:
        """Yield one item for each row from ``start`` on; its member is the row's number or path.

        Rows that cannot be read are items that say so, and the next row group is tried; of a file that cannot be
        opened there is one such item.

        Raises:
            MissingError: pyarrow is missing.
        """
        try:
            file = self._open()
        except (UsageError, IntegrityError) as error:
            yield Item(self.shown, None, error)
            return
        with file:
            first = 0
            for group in range(file.num_row_groups):
                end = first + file.metadata.row_group(group).num_rows
                if start < end:
                    yield from self._group(file, group, first, range(max(start, first), end))
                first = end

    def paths(self) -> Iterator[Path]:
        """Yield the image files that the shard names; none where it holds their content.

        Raises:
            MissingError: pyarrow is missing.
        """
        try:
            with self._open() as file:
                named = _is_text(file.schema_arrow.field(_column(file, self.shown)).type)
        except (UsageError, IntegrityError):
            return
        if named:
            yield from (item.content for item in self.items() if isinstance(item.content, Path))

    def _group(self, file: Any, group: int, first: int, wanted: range) -> Iterator[Item]:
        """Yield the ``wanted`` rows of a row group that begins with the row ``first``."""
        row, column = first, _column(file, self.shown)
        problem = "the row group has fewer rows than the file says"
        try:
            for batch in file.iter_batches(_READ_ROWS, row_groups=[group], columns=[column], use_threads=False):
                for value in batch.column(0):
                    if row >= wanted.start:
                        yield self._item(value.as_py(), row)
                    row += 1
        except Exception as error:  # damaged pages can make the reader raise nearly anything
            problem = _one_line(error)
        for lost in range(max(row, wanted.start), wanted.stop):
            yield self._refused(lost, f"cannot be read: {problem}")

    def _item(self, value: object, row: int) -> Item:
        if isinstance(value, dict):
            value = value["bytes"]
        if isinstance(value, bytes):
            if len(value) > MAX_BYTES:
                return self._refused(row, f"has {len(value)} bytes; at most {MAX_BYTES} are read")
            return Item(self.shown, str(row), value)
        if isinstance(value, str) and "\0" not in value:
            return Item(self.shown, value, self.path.parent / value)
        return self._refused(row, "has no image")

    def _refused(self, row: int, problem: str) -> Item:
        return Item(self.shown, str(row), IntegrityError(f"{self.shown}: row {row} {problem}.", fix=_FIX))

    def _open(self) -> Any:
        """Return the opened file, a context manager, whose columns and size make sense."""
        pq = require("pyarrow.parquet", f"Reading {self.shown}")
        require_file(self.path, what="shard")
        try:
            # Through a small buffer, since a column of images can be larger than the memory.
            file = pq.ParquetFile(self.path, buffer_size=1 << 20, pre_buffer=False)
        except Exception as error:  # as above
            raise IntegrityError(f"{self.shown} is not a Parquet file: {_one_line(error)}.", fix=_FIX) from error
        try:
            _column(file, self.shown)
            if file.metadata.num_rows > _ROWS_PER_BYTE * self.path.stat().st_size:
                raise IntegrityError(f"{self.shown} claims {file.metadata.num_rows} rows.", fix=_FIX)
        except RanDeployError:
            file.close()
            raise
        return file


def _column(file: Any, shown: str) -> str:
    schema = file.schema_arrow
    for name in COLUMNS:
        if name in schema.names and _is_image(schema.field(name).type):
            return name
    raise UsageError(
        f"{shown} has the columns {', '.join(schema.names)!s:.200}; none of {', '.join(COLUMNS)} holds images.",
        fix="Name the column with the images' bytes 'image', or that with their paths 'path'.",
    )


def _is_image(kind: Any) -> bool:
    """Whether a column's Arrow type is bytes, text, or a struct with ``bytes``."""
    if hasattr(kind, "get_field_index"):
        index = kind.get_field_index("bytes")
        return index >= 0 and str(kind.field(index).type) in _BYTES
    return str(kind) in (*_BYTES, *_TEXT)


def _is_text(kind: Any) -> bool:
    return str(kind) in _TEXT


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300].rstrip(".")
