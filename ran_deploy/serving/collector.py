"""Python's garbage collector, kept from stopping requests."""

import gc


def settle() -> None:
    """Leave all that there is now out of later collections.

    A full collection walks over every module and engine that was loaded, and stops the process for tens of
    milliseconds; called once everything is loaded, this keeps to what requests leave behind.
    """
    gc.collect()
    gc.freeze()
