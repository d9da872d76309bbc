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
    rows = [[cell(link.name), cell(_KINDS.get(link.kind, link.kind)), code(link.sha256)] for link in result.lineage]
    title = "All hashes in full"
    return join(
        [
            paragraph("Each file below what it was made from; the first letters of its sha256 beside it.", kind="soft"),
            _tree(result),
            folded(title, table(title, ["file", "kind", "sha256"], rows, align=("text", "left", "left"))),
            _parity(result),
            _calibration(shown),
        ]
    )


def _tree(result: DeployResult) -> Html:
    known = {link.sha256 for link in result.lineage}
    children: dict[str, list[Link]] = {}
    roots: list[Link] = []
    for link in result.lineage:
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
    facts_of = f"{_KINDS.get(link.kind, link.kind)}, {size(link.size_bytes)}"
    return Html(
        f"<li><b>{text(link.name)}</b> <small>{text(facts_of)}</small> {digest(link.sha256)}{also}{inside}</li>"
    )


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
    seen: dict[str, dict[str, object]] = {}
    for one in shown:
        if one.variant.calibration and one.variant.engine is not None:
            seen.setdefault(one.variant.engine.name, one.variant.calibration)
    parts = []
    for name, found in seen.items():
        pairs = [(words, _plain(found[key])) for key, words in _CALIBRATION.items() if found.get(key) not in (None, "")]
        parts += [element("h3", text(f"Calibration of {name}")), facts(pairs)]
    return join(parts)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def environment_section(result: DeployResult) -> Html:
    """Return the machine on which all was measured, and when."""
    return facts([("measured", moment(result.created)), *machine_facts(result.environment)])
