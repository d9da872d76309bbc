"""Who is compared: identity, origin and accuracy of an engine, and how two of them are related."""

from pathlib import Path

from ran_deploy.bench.compare_result import Side
from ran_deploy.runtime.lineage import read_lineage
from ran_deploy.runtime.session import Session


def describe_side(session: Session) -> Side:
    """Describe an opened engine."""
    info, path = session.info, Path(session.info.engine)
    return Side(
        engine=info.engine,
        sha256=info.sha256,
        size_bytes=path.stat().st_size,
        runtime=info.runtime,
        provider=info.provider,
        device=info.device,
        precision=info.precision,
        threads=info.threads,
        versions=info.versions,
        lineage=read_lineage(path, session.manifest),
        accuracy=None if session.manifest is None else session.manifest.accuracy,
    )


def relation(a: Side, b: Side) -> str:
    """Say how two engines are related, by the hashes in their manifests."""
    if a.sha256 == b.sha256:
        return "A and B are the same file"
    for older, younger, names in ((a, b, "B was made from A"), (b, a, "A was made from B")):
        if older.sha256 in {ancestor.sha256 for ancestor in younger.lineage}:
            return names
    of_b = {ancestor.sha256 for ancestor in b.lineage}
    shared = next((ancestor for ancestor in a.lineage if ancestor.sha256 in of_b and ancestor.role != "recipe"), None)
    if shared is not None:
        return f"both were made from the {shared.role} {shared.name}"
    if not a.lineage or not b.lineage:
        return "unknown: a manifest is missing or names no parents"
    return "their manifests name no common ancestor: perhaps other weights"


def remarks(a: Session, b: Session) -> tuple[str, ...]:
    """Say what makes two engines hard to compare."""
    found = []
    for what, mine, yours in (
        ("images of", f"{a.contract.preprocessing.size} pixels", f"{b.contract.preprocessing.size} pixels"),
        (
            "",
            f"{a.contract.input.dtype} {a.contract.input.layout}",
            f"{b.contract.input.dtype} {b.contract.input.layout}",
        ),
        ("logits of", f"{len(a.contract.labels)} classes", f"{len(b.contract.labels)} classes"),
    ):
        if mine != yours:
            verb = "returns" if what == "logits of" else "takes"
            found.append(f"A {verb} {what} {mine}, B {yours}".replace("  ", " "))
    if a.info.threads != b.info.threads:
        found.append(f"A runs on {a.info.threads} threads, B on {b.info.threads}")
    return tuple(found)
