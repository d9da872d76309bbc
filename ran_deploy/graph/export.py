"""``export_onnx``: from weights to an ONNX file that provably computes the same."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from ran_deploy import __version__
from ran_deploy.arch.deployable import Deployable, DeployableWithMasks
from ran_deploy.arch.masks import mask_specs
from ran_deploy.config import to_mapping
from ran_deploy.data.catalog import dataset_info
from ran_deploy.data.contract import InputKind, make_contract
from ran_deploy.data.probes import Probes, probe_images
from ran_deploy.errors import GateError, UsageError
from ran_deploy.files import require_output
from ran_deploy.graph.parity import ParityMetrics, compare_logits, is_faithful
from ran_deploy.graph.source import Source, load_source
from ran_deploy.graph.tolerance import check_atol
from ran_deploy.graph.torch_export import OPSET, to_onnx
from ran_deploy.manifest import Contract, Manifest, Precision, publish, reusable, stage_key
from ran_deploy.optional import require, versions
from ran_deploy.progress import Progress
from ran_deploy.runtime.session import Logits

Module = Deployable | DeployableWithMasks
PARITY_BATCHES = (1, 2, 5, 32)
"""Batch sizes at which torch and ONNX Runtime are compared; the images are dealt out to them in turn."""
MOST_IMAGES = 1000
_GENERATED = sum(PARITY_BATCHES)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """An ONNX file and the evidence for it."""

    path: Path
    manifest: Manifest
    parity: dict[str, Any]
    """Metrics of torch against ONNX Runtime (:class:`~ran_deploy.graph.parity.ParityMetrics`) and their gate."""
    reused: bool
    """Whether the file was there already, made from the same inputs."""


def default_name(arch: str, dataset: str, *, with_masks: bool = False) -> str:
    """Return the name of an exported model: the dataset is part of it where it is not CIFAR-10, and so are masks."""
    stem = arch if dataset == "cifar10" else f"{arch}_{dataset}"
    return f"{stem}_masks.onnx" if with_masks else f"{stem}.onnx"


def export_onnx(
    arch: str,
    *,
    dataset: str = "cifar10",
    checkpoint: Path | None = None,
    out: Path | None = None,
    input_kind: InputKind = "uint8",
    samples: Path | None = None,
    atol: float = 1e-4,
    random_weights: bool = False,
    options: Mapping[str, Any] | None = None,
    with_masks: bool = False,
) -> ExportResult:
    """Export a network to ONNX (opset 20) and compare it with PyTorch before the file gets its name.

    Args:
        arch: A registered network, such as "att92".
        dataset: Chooses the layout, the labels and the shipped weights.
        checkpoint: Weights that ``ran-deploy train`` wrote; None: the shipped ones.
        out: The file to write; None: ``<arch>.onnx``, or ``<arch>_masks.onnx``, in the current folder.
        input_kind: "uint8" (NHWC, normalization in the graph) or "float32-nchw" (normalized by the caller).
        samples: A folder of images for the comparison, of which up to 1,000 are used; None: generated images.
        atol: Largest difference of a logit, and of a mask's value, that is tolerated.
        random_weights: Use seeded random weights, to try the path without training.
        options: The network's options, with random weights only.
        with_masks: Add each attention module's soft mask as an output after the logits: float32 [N, H, W], the mean
            over its channels, named "mask_stage1_1" and so on; see :class:`ran_deploy.arch.masks.MeanMasks`.

    Raises:
        UsageError: An unknown name, no weights, a checkpoint of another network, a folder without images; masks of
            a network without attention.
        IntegrityError: A damaged checkpoint or image.
        GateError: ONNX Runtime's logits or masks differ by more than ``atol``, or classes flip; nothing is written.
        MissingError: A package of the export is not installed.
    """
    check_atol(atol)
    if input_kind not in ("uint8", "float32-nchw"):
        raise UsageError(f"The input kind is {input_kind!r}; expected uint8 or float32-nchw.")
    source = load_source(arch, dataset, checkpoint=checkpoint, random_weights=random_weights, options=options)
    contract = make_contract(dataset_info(dataset), source.labels, input_kind)
    if with_masks:
        contract = _add_masks(arch, contract, source)
    path = Path(default_name(arch, dataset, with_masks=with_masks)) if out is None else out
    require_output(path, ".onnx")
    for package in ("onnxruntime", "onnxscript"):
        require(package, "ran-deploy export")
    probes = probe_images(contract, samples, most=MOST_IMAGES if samples else _GENERATED)
    used = {"ran-deploy": __version__, **versions("torch", "onnx", "onnxscript", "onnxruntime")}
    inputs = {"arch": arch, "weights": source.digest, "options": source.options, "contract": contract}
    gate = {"atol": atol, "images": probes.digest(), "opset": OPSET}
    key = stage_key("export", {**inputs, **gate}, used)
    if (existing := reusable(path, key)) is not None:
        return ExportResult(path=path, manifest=existing, parity=existing.parity or {}, reused=True)
    module = (DeployableWithMasks if with_masks else Deployable)(source.network, contract).eval()
    metadata = {"ran-deploy": __version__, "arch": arch, "dataset": dataset, "weights": source.weights}
    model = to_onnx(module, contract, metadata)
    content = model.SerializeToString(deterministic=True)
    parity = {"reference": "torch", **_prove(module, content, probes, atol)}
    manifest = _manifest(arch, dataset, source, contract, model)
    manifest = replace(manifest, key=key, parity=parity, versions=used)
    published = publish(path, content, manifest)
    return ExportResult(path=path, manifest=published, parity=parity, reused=False)


def _add_masks(arch: str, contract: Contract, source: Source) -> Contract:
    masks = mask_specs(source.network, contract.preprocessing.size)
    if not masks:
        raise UsageError(f"{arch} has no attention modules, so it has no masks.", fix="Leave --with-masks out.")
    return replace(contract, masks=masks)


def _prove(module: Module, content: bytes, probes: Probes, atol: float) -> dict[str, Any]:
    metrics, masks = compare_models(module, content, probes)
    parity = {"atol": atol, "source": probes.source, "batches": PARITY_BATCHES, **to_mapping(metrics)}
    if masks:
        parity["masks_max_abs"] = masks
    if apart := [name for name, largest in masks.items() if not largest <= atol]:  # not: so that NaN counts
        raise GateError(
            f"ONNX Runtime and PyTorch differ by up to {masks[apart[0]]:.3g} in {apart[0]} (at most {atol:g} allowed); "
            "no file was written.",
            fix="Check the checkpoint; where the difference is harmless for you, raise --atol.",
            details=parity,
        )
    if not is_faithful(metrics, atol):
        raise GateError(
            f"ONNX Runtime and PyTorch differ by up to {metrics.max_abs:.3g} in a logit (at most {atol:g} allowed), "
            f"{metrics.flips} of {metrics.images} classes flip, {metrics.not_finite} answers are not finite; "
            "no file was written.",
            fix="Check the checkpoint; where the difference is harmless for you, raise --atol.",
            details=parity,
        )
    return parity


def compare_models(module: Module, content: bytes, probes: Probes) -> tuple[ParityMetrics, dict[str, float]]:
    """Run PyTorch and an ONNX file's bytes on the same images, at several batch sizes, and compare all outputs.

    Returns:
        The metrics of the logits, and the largest difference of each mask by its name; NaN where one is not finite.
    """
    from ran_deploy.runtime.ort_session import OrtSession

    expected: list[Logits] = []
    actual: list[Logits] = []
    apart = {spec.name: 0.0 for spec in probes.contract.masks}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        file.write_bytes(content)
        with (
            OrtSession(file, probes.contract) as session,
            Progress("parity", probes.count, "images") as progress,
            torch.inference_mode(),
        ):
            for batch in probes.batches(PARITY_BATCHES):
                if apart:
                    wanted, *wanted_masks = module(torch.from_numpy(batch))
                    logits, masks = session.run_with_masks(batch)
                    for mask, (name, found) in zip(wanted_masks, masks.items(), strict=True):
                        apart[name] = float(np.maximum(apart[name], np.abs(found - mask.numpy()).max()))
                else:
                    wanted, logits = module(torch.from_numpy(batch)), session.run(batch)
                expected.append(wanted.numpy())
                actual.append(logits)
                progress.advance(len(batch))
    return compare_logits(np.concatenate(expected), np.concatenate(actual)), apart


def _manifest(arch: str, dataset: str, source: Source, contract: Contract, model: onnx.ModelProto) -> Manifest:
    computing = sum(node.op_type in ("Conv", "Gemm", "MatMul") for node in model.graph.node)
    return Manifest(
        kind="onnx",
        arch=arch,
        dataset=dataset,
        contract=contract,
        precision=Precision(asked="fp32", obtained={"fp32": computing}),
        parents=source.parents,
        key="",
        options=source.options,
        weights=source.weights,
    )
