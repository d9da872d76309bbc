"""Options that take several numbers with commas between them."""

from typing import TypeVar

from ran_deploy.errors import UsageError

T = TypeVar("T", int, float)


def number_list(option: str, text: str, kind: type[T], example: str) -> tuple[T, ...]:
    """Read an option such as ``--batch 1,8,64``.

    Args:
        option: Its name, for the message.
        text: What was given.
        kind: int or float.
        example: A value that makes sense, for the message.

    Raises:
        UsageError: A part is no such number.
    """
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError as error:
        what = "whole numbers" if kind is int else "numbers"
        raise UsageError(f"{option} is {text!r}; expected {what} separated by commas, as in {example}.") from error
