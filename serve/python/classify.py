"""An engine inside a program; run it with python classify.py att92.onnx image.jpg."""

import sys
from pathlib import Path

from ran_deploy import open_engine
from ran_deploy.data.preprocess import load_images, to_engine_input
from ran_deploy.errors import RanDeployError
from ran_deploy.runtime.predict import best_guesses


def main(engine: Path, files: list[Path]) -> None:
    """Print the three likeliest classes of each image."""
    with open_engine(engine) as session:  # checks the file's hash against its manifest first
        contract = session.contract
        images = load_images(files, contract.preprocessing)  # uint8 [N, size, size, 3]
        logits = session.run(to_engine_input(images, contract))  # float32 [N, classes]
    for file, best in zip(files, best_guesses(logits, contract.labels, 3), strict=True):
        sys.stdout.write(f"{file}: " + ", ".join(f"{guess.label} {guess.probability:.1%}" for guess in best) + "\n")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: python classify.py ENGINE IMAGE...")
    try:
        main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
    except RanDeployError as error:
        sys.exit(f"{error.message} {error.fix}")
