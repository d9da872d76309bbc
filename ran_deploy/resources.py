"""Where the shipped recipes, weights and deployment profiles are: in a checkout, or inside the installed package."""

from pathlib import Path


def models_folder() -> Path:
    """Return the folder with the recipes (``*.toml``) and ``weights/``."""
    packaged = Path(__file__).parent / "_models"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "models"


def profiles_folder() -> Path:
    """Return the folder with the deployment profiles (``*.toml``)."""
    packaged = Path(__file__).parent / "_export"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "export"


def shipped_weights(arch: str, dataset: str) -> Path | None:
    """Return the shipped checkpoint of a network, or None if none ships."""
    path = models_folder() / "weights" / f"{arch}_{dataset}.safetensors"
    return path if path.is_file() else None


def shipped_calibration(arch: str, dataset: str) -> Path | None:
    """Return the shipped INT8 calibration of a network's shipped weights, or None if none ships."""
    path = models_folder() / "weights" / f"{arch}_{dataset}.calibration.json"
    return path if path.is_file() else None
