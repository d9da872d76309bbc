"""``ran-deploy archs``: the networks that can be built."""

from ran_deploy.cli.output import JsonFlag, emit, table
from ran_deploy.optional import require

EPILOG = "Example: ran-deploy archs --json"


def archs_command(as_json: JsonFlag = False) -> None:
    """List the networks by dataset: parameters, multiply-adds, depth of the trunk, shipped weights."""
    require("torch", "ran-deploy archs")
    from ran_deploy.arch.count import list_archs

    archs = list_archs()
    header = ("arch", "params", "MACs", "depth", "weights", "network")
    rows = [
        (
            f"  {arch.name}",
            f"{arch.params:,}",
            f"{arch.macs / 1e6:,.1f}M",
            str(arch.trunk_depth),
            "shipped" if arch.weights else "–",
            arch.title,
        )
        for arch in archs
    ]
    first, *body = table(header, rows)
    lines = [first]
    for dataset, classes, size in dict.fromkeys((arch.dataset, arch.classes, arch.input_size) for arch in archs):
        lines += ["", f"{dataset}: {size}×{size} pixels, {classes:,} classes"]
        lines += [line for arch, line in zip(archs, body, strict=True) if arch.dataset == dataset]
    emit({"archs": archs}, "archs/v1", as_json=as_json, lines=lines)
