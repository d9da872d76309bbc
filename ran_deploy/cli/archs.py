"""``ran-deploy archs``: the networks that can be built."""

from ran_deploy.cli.output import JsonFlag, emit, table
from ran_deploy.optional import require

EPILOG = "Example: ran-deploy archs --json"


def archs_command(as_json: JsonFlag = False) -> None:
    """List the networks: classes, input size, parameters, multiply-adds, trunk depth, shipped weights."""
    require("torch", "ran-deploy archs")
    from ran_deploy.arch.count import list_archs

    archs = list_archs()
    rows = [
        (
            arch.name,
            arch.dataset,
            str(arch.classes),
            f"{arch.input_size}×{arch.input_size}",
            f"{arch.params:,}",
            f"{arch.macs:,}",
            str(arch.trunk_depth),
            "shipped" if arch.weights else "–",
        )
        for arch in archs
    ]
    header = ("arch", "dataset", "classes", "input", "params", "MACs", "trunk depth", "weights")
    emit({"archs": archs}, "archs/v1", as_json=as_json, lines=table(header, rows))
