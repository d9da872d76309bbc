"""Any classifier's ONNX file: what it takes, which facts are not in it, and where they come from."""

from dataclasses import dataclass, replace
from pathlib import Path

from ran_deploy import __version__
from ran_deploy.data.catalog import DatasetInfo, dataset_info
from ran_deploy.deploying.adapt import Adapted, adapt, set_size
from ran_deploy.deploying.data import FOLDER, open_split
from ran_deploy.deploying.request import DeployRequest
from ran_deploy.errors import UsageError
from ran_deploy.files import require_file, sha256_file
from ran_deploy.manifest import (
    Contract,
    Manifest,
    Parent,
    Precision,
    Preprocessing,
    TensorSpec,
    publish,
    reusable,
    stage_key,
    verified_manifest,
)
from ran_deploy.optional import versions
from ran_deploy.quant.compute import compute_types
from ran_deploy.runtime.onnx_file import load_onnx, onnx_contract


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """An ONNX file that comes in."""

    sha256: str
    manifest: Manifest
    """As it will stand beside the file in the deployment."""
    adapted: Adapted | None
    """The model in the form in which it is deployed; None: it lies in the deployment's folder already."""


def read_foreign(request: DeployRequest, out: Path) -> Foreign:
    """Read an ONNX file, ours or any other, and find out what its manifest must say.

    Args:
        request: Names the file and the facts that are not in it.
        out: Where it will lie in the deployment's folder.

    Raises:
        UsageError: It is not a classifier that can be fed, or a fact is missing or contradicts it.
        IntegrityError: It is damaged, or not what its manifest says.
        GateError: It does not answer as it did once it is in the form that can be deployed.
    """
    path = require_file(Path(str(request.onnx)), what="ONNX file", fix="Check --onnx.")
    digest = sha256_file(path)
    used = {"ran-deploy": __version__, **versions("onnx")}
    known = verified_manifest(path)
    if known is not None:
        _check_ours(path, known, request)
        key = stage_key("import", {"onnx": digest}, used)
        found = reusable(out, key)
        adapted = None if found is not None else Adapted(model=load_onnx(path), changes=(), max_abs=0.0)
        return Foreign(sha256=digest, manifest=found or replace(known, key=key, command=""), adapted=adapted)
    facts = to_facts(request)
    key = stage_key("import", {"onnx": digest, **facts}, used)
    if (found := reusable(out, key)) is not None:
        return Foreign(sha256=digest, manifest=found, adapted=None)
    model = load_onnx(path)
    if request.dataset not in (None, FOLDER):
        model = set_size(model, dataset_info(str(request.dataset)).size)
    contract = _contract(onnx_contract(model), request)
    adapted = adapt(model, contract)
    manifest = Manifest(
        kind="onnx",
        arch=None,
        dataset=request.dataset,
        contract=_with_batch_of(adapted, contract),
        precision=Precision(asked="fp32", obtained=compute_types(adapted.model)),
        parents=(Parent(role="onnx", name=path.name, sha256=digest),),
        key=key,
        parity={"reference": path.name, "changes": list(adapted.changes), "max_abs": adapted.max_abs},
        versions=used,
    )
    return Foreign(sha256=digest, manifest=manifest, adapted=adapted)


def publish_foreign(foreign: Foreign, out: Path) -> Manifest:
    """Write the model into the deployment's folder, with its manifest.

    Raises:
        UsageError: The folder cannot be written to, or its disk is full.
    """
    if foreign.adapted is None:  # it is there: only its record was lost
        return foreign.manifest
    return publish(out, foreign.adapted.model.SerializeToString(), foreign.manifest)


def to_facts(request: DeployRequest) -> dict[str, str]:
    """Return the facts that were given about an ONNX file, for the stage's key."""
    return {
        "dataset": str(request.dataset),
        "labels": "the dataset's" if request.labels is None else sha256_file(request.labels),
        "mean": str(request.mean),
        "std": str(request.std),
        "resize": str(request.resize),
    }


def _check_ours(path: Path, known: Manifest, request: DeployRequest) -> None:
    given = {
        "--labels": request.labels,
        "--mean": request.mean,
        "--resize": request.resize,
    }
    if named := [flag for flag, value in given.items() if value is not None]:
        raise UsageError(f"{named[0]} was given, but {path} has a manifest that says it.", fix="Leave it out.")
    if known.kind != "onnx" or known.precision.asked != "fp32":
        raise UsageError(
            f"{path} is {known.precision.asked} already; a deployment starts from float32.",
            fix="Give the file that ran-deploy export wrote.",
        )
    if known.contract.masks:
        raise UsageError(
            f"{path} has attention masks among its outputs, which a plan does not carry.",
            fix="Export the network without --with-masks.",
        )


def _contract(read: Contract, request: DeployRequest) -> Contract:
    """Add to what the file itself says what only a person or a dataset knows."""
    info = None if request.dataset in (None, FOLDER) else dataset_info(str(request.dataset))
    rule = read.preprocessing
    if info is not None and info.size != rule.size:
        raise UsageError(
            f"The model takes images of {rule.size} pixels; those of {info.name} have {info.size}.",
            fix=f"Give --dataset {FOLDER} with --labels, --mean and --std, and a folder val/<class>/ as --data.",
        )
    mean, std = _normalization(read.input, request, info)
    resize = request.resize if request.resize is not None or info is None else info.resize
    with_rule = replace(
        read, preprocessing=Preprocessing(resize=resize, size=rule.size, mean=mean, std=std), labels=read.labels
    )
    labels = _labels(with_rule, request, info)
    if len(labels) != len(read.labels):
        source = request.labels or request.dataset
        raise UsageError(
            f"The model has {len(read.labels)} classes; {source} has {len(labels)} labels.",
            fix="Give the labels of this model with --labels FILE, one on a line.",
        )
    return replace(with_rule, labels=labels)


def _normalization(
    images: TensorSpec, request: DeployRequest, info: DatasetInfo | None
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    if request.mean is not None and request.std is not None:
        (a, b, c), (d, e, f) = request.mean, request.std
        return (a, b, c), (d, e, f)
    if images.dtype == "uint8":  # it normalizes by itself
        return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if info is None:
        raise UsageError(
            "The ONNX file does not say how its images are normalized.",
            fix="Give --mean R,G,B and --std R,G,B on the scale 0 to 1, or --dataset imagenet for ImageNet's.",
        )
    return info.mean, info.std


def _labels(contract: Contract, request: DeployRequest, info: DatasetInfo | None) -> tuple[str, ...]:
    if request.labels is not None:
        lines = require_file(request.labels, what="file of labels").read_text(encoding="utf-8").splitlines()
        return tuple(line.strip() for line in lines if line.strip())
    if info is not None and info.labels:
        return info.labels
    if request.data is not None and request.dataset is not None:
        return open_split(request.dataset, request.data, "test", contract).labels
    return contract.labels


def _with_batch_of(adapted: Adapted, contract: Contract) -> Contract:
    batch = onnx_contract(adapted.model).input.shape[0]
    images, logits = contract.input, contract.output
    return replace(
        contract,
        input=replace(images, shape=(batch, *images.shape[1:])),
        output=replace(logits, shape=(batch, *logits.shape[1:])),
    )
