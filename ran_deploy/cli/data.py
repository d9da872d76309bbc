"""``ran-deploy data``: fetch a dataset."""

from pathlib import Path
from typing import Annotated

import typer

from ran_deploy.cli.output import JsonFlag, emit

EPILOG = """Examples:

ran-deploy data cifar10 --root data

ran-deploy data tiny-imagenet --root data --url https://mirror.example/tiny-imagenet-200.zip
"""


def data_command(
    name: Annotated[
        str, typer.Argument(metavar="DATASET", help="cifar10, cifar100, tiny-imagenet (imagenet, synthetic: told how).")
    ],
    root: Annotated[Path, typer.Option("--root", help="Folder to put the data in.")] = Path("data"),
    url: Annotated[str | None, typer.Option("--url", help="Download from this mirror, not the publisher.")] = None,
    checksum: Annotated[
        str | None,
        typer.Option("--checksum", help="Digest of the archive, sha256:… or md5:…, in place of the publisher's."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Download a dataset from its publisher, check it and unpack it; a cut download is taken up again."""
    from ran_deploy.data.download import fetch_dataset

    result = fetch_dataset(name, root, url=url, checksum=checksum)
    if result.status == "not-needed":
        line = f"{name} is generated when it is used; there is nothing to download."
    elif result.status == "present":
        line = f"{name} is already in {result.folder}; nothing was downloaded."
    else:
        proof = f"{result.checksum} verified" if result.checksum else "no digest is published; the images were counted"
        line = f"{name} is in {result.folder} ({result.received_bytes / 1e6:.1f} MB received; {proof})."
    emit(result, "data/v1", as_json=as_json, lines=[line])
