"""What each file was made from, by hash; how INT8 was calibrated; the machine."""

from ran_deploy.bench.report_facts import machine_facts
from ran_deploy.deploying.report_view import Shown
from ran_deploy.deploying.result import DeployResult, Link
from ran_deploy.report.html import (
    NOTHING,
    Html,
    cell,
    code,
    digest,
    element,
    facts,
    folded,
    join,
    paragraph,
    table,
    text,
)
from ran_deploy.report.words import moment, size

_KINDS = {"checkpoint": "checkpoint", "onnx": "ONNX", "plan": "TensorRT plan"}
_CALIBRATION = {
    "source": "images from",
    "dataset": "dataset",
    "split": "split",
    "count": "images",
    "seed": "seed",
    "method": "method",
    "percentile": "percentile",
    "high_precision": "what is not INT8",
    "reduce_range": "7-bit weights",
    "file": "calibration file",
    "file_sha256": "sha256 of that file",
    "set_sha256": "sha256 of the images' digests",
}


def lineage_section(shown: list[Shown], result: DeployResult) -> Html:
    """Return the files as a tree from the source on, all hashes in full, and the calibration."""
    if not result.lineage:
        return paragraph("No file was made.")
    links = _with_source(result)
    rows = [[cell(link.name), cell(_KINDS.get(link.kind, link.kind)), code(link.sha256)] for link in links]
    title = "All hashes in full"
    return join(
        [
            paragraph("Each file below what it was made from; the first letters of its sha256 beside it.", kind="soft"),
            _tree(links),
            folded(title, table(title, ["file", "kind", "sha256"], rows, align=("text", "left", "left"))),
            _parity(result),
            _calibration(shown),
        ]
    )


def _with_source(result: DeployResult) -> list[Link]:
    """Return the lineage with the file that was deployed at its head, where that is a file."""
    source, links = result.source, list(result.lineage)
    if source.sha256 and source.sha256 not in {link.sha256 for link in links}:
        kind = "checkpoint" if source.kind == "arch" else "onnx"
        links.insert(0, Link(name=source.name, kind=kind, sha256=source.sha256, size_bytes=0, parents=()))
    return links


def _tree(links: list[Link]) -> Html:
    known = {link.sha256 for link in links}
    children: dict[str, list[Link]] = {}
    roots: list[Link] = []
    for link in links:
        above = next((parent.sha256 for parent in link.parents if parent.sha256 in known), None)
        if above is None or above == link.sha256:
            roots.append(link)
        else:
            children.setdefault(above, []).append(link)
    return element("ul", Html("".join(_branch(link, children) for link in roots)), kind="tree")


def _branch(link: Link, children: dict[str, list[Link]]) -> Html:
    below = children.get(link.sha256, [])
    inside = element("ul", Html("".join(_branch(one, children) for one in below))) if below else NOTHING
    others = [parent for parent in link.parents if parent.role in ("calibration", "recipe")]
    also = "".join(f" <small>with {text(one.role)} {text(one.name)} {digest(one.sha256)}</small>" for one in others)
    kind = text(_KINDS.get(link.kind, link.kind) + (f", {size(link.size_bytes)}" if link.size_bytes else ""))
    return Html(f"<li><b>{text(link.name)}</b> <small>{kind}</small> {digest(link.sha256)}{also}{inside}</li>")


def _parity(result: DeployResult) -> Html:
    source, found = result.source, result.source.parity
    title = element("h3", text("The source"))
    named = f"{source.name} ({source.weights} weights)"
    pairs = [("network", source.arch or "not from the registry"), ("came in as", named)]
    if source.dataset:
        pairs.append(("trained for", source.dataset))
    contract = source.contract
    shape = " × ".join("N" if side < 0 else str(side) for side in contract.input.shape)
    pairs.append(("input", f"{contract.input.name}: {contract.input.dtype} {contract.input.layout} [{shape}]"))
    pairs.append(("output", f"{contract.output.name}: {contract.output.dtype}, {len(contract.labels):,} classes"))
    if found:
        said = [
            f"{name} {found[key]:{form}}"
            for name, key, form in (("largest difference", "max_abs", ".2e"), ("least cosine", "cosine_min", ".9f"))
            if isinstance(found.get(key), int | float)
        ]
        pairs.append((f"proven against {found.get('reference', 'PyTorch')}", ", ".join(said) or "yes"))
    return join([title, facts(pairs)])


def _calibration(shown: list[Shown]) -> Html:
    """Return how INT8 was calibrated, once for all files that share it."""
    seen: dict[tuple[tuple[str, str], ...], dict[str, None]] = {}
    for one in shown:
        found, engine = one.variant.calibration, one.variant.engine
        if found and engine is not None:
            kept = ((key, words) for key, words in _CALIBRATION.items() if found.get(key) not in (None, ""))
            pairs = tuple((words, _plain(found[key])) for key, words in kept)
            seen.setdefault(pairs, {})[engine.name] = None
    titled = [
        (element("h3", text(f"Calibration of {', '.join(names)}")), facts(pairs)) for pairs, names in seen.items()
    ]
    return join([part for both in titled for part in both])


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def environment_section(result: DeployResult) -> Html:
    """Return the machine on which all was measured, and when."""
    return facts([("measured", moment(result.created)), *machine_facts(result.environment)])
