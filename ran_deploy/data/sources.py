"""Where each dataset is published, and what tells the true archive from another."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a dataset comes from, and what its archive must hold."""

    url: str
    folder: str
    """The folder at the top of the archive."""
    checksum: str | None
    """The publisher's digest, as "algorithm:hexadecimal"; None: none is published."""
    counts: tuple[int, int]
    """Number of training and of test images: what is checked where there is no digest."""


# The MD5 digests are those on https://www.cs.toronto.edu/~kriz/cifar.html. Stanford publishes none for Tiny
# ImageNet and serves it over plain http, so that only its content can be checked.
SOURCES = {
    "cifar10": Source(
        url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        folder="cifar-10-batches-bin",
        checksum="md5:c32a1d4ab5d03f1284b67883e8d87530",
        counts=(50_000, 10_000),
    ),
    "cifar100": Source(
        url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        folder="cifar-100-binary",
        checksum="md5:03b5dce01913d631647c71ecec9e9cb8",
        counts=(50_000, 10_000),
    ),
    "tiny-imagenet": Source(
        url="http://cs231n.stanford.edu/tiny-imagenet-200.zip",
        folder="tiny-imagenet-200",
        checksum=None,
        counts=(100_000, 10_000),
    ),
}
