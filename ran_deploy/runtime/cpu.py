"""What the processor can do, as far as the speed and the accuracy of an engine depend on it."""

from pathlib import Path

_FEATURES = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimddp", "i8mm")
INT8_DOT = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
"""Instructions that add up INT8 products in 32 bits. Without them x86 adds pairs in 16 bits, which may saturate."""


def system_file(path: str) -> str:
    """Return the text of one of Linux's files about the system; empty where it is not to be had."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def cpu_facts() -> str:
    """Return the text that Linux has on the processors; empty elsewhere."""
    return system_file("/proc/cpuinfo")


def cpu_field(text: str, name: str) -> str | None:
    """Return the first value of a field in Linux's text, such as "model name"."""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def cpu_features(text: str | None = None) -> tuple[str, ...]:
    """Return the instruction sets that decide how fast INT8 and bfloat16 are, as Linux names them.

    Args:
        text: As :func:`cpu_facts` returns it; None: that of this machine.
    """
    facts = cpu_facts() if text is None else text
    found = set((cpu_field(facts, "flags") or cpu_field(facts, "Features") or "").split())
    return tuple(feature for feature in _FEATURES if feature in found)
