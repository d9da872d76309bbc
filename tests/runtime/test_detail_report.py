from pathlib import Path

from ran_deploy.runtime.confidence import Bin, Calibration
from ran_deploy.runtime.confusion import class_accuracies, worst_mistakes
from ran_deploy.runtime.detail_plot import plot_detail
from ran_deploy.runtime.detail_report import (
    classes_table,
    confusion_table,
    corrupted_table,
    figures_table,
    write_report,
)
from ran_deploy.runtime.detail_result import CorruptedAccuracy, DetailResult
from ran_deploy.runtime.paired import PairedAccuracy


def _result(classes: int = 2) -> DetailResult:
    """``classes`` classes of four images each, of which the first two are partly taken for each other."""
    labels = tuple("ab|cdefghijklmnopqrstuvwxyz"[index] for index in range(classes))
    rows = [[4 if row == column else 0 for column in range(classes)] for row in range(classes)]
    rows[0][0], rows[0][1], rows[1][0], rows[1][1] = 3, 1, 2, 2
    matrix = tuple(map(tuple, rows))
    paired = PairedAccuracy(
        samples=4 * classes,
        reference_top1=62.5,
        candidate_top1=50.0,
        difference_points=-12.5,
        difference_ci95=(-40.0, 10.0),
        only_reference_right=2,
        only_candidate_right=1,
        mcnemar_p=1.0,
        agreement=80.0,
    )
    worse = CorruptedAccuracy(
        corruption="jpeg:50",
        description="JPEG of quality 50, 4:2:0",
        top1=50.0,
        top1_ci95=(20.0, 80.0),
        ece_points=3.25,
        mean_confidence=60.0,
        against_clean=paired,
    )
    return DetailResult(
        engine="folder/net.onnx",
        sha256="ab" * 32,
        runtime="onnxruntime",
        dataset="letters",
        split="test",
        samples=4 * classes,
        top1=62.5,
        top5=None,
        top1_ci95=(30.57, 86.32),
        notes=("mind this",),
        calibration=Calibration(
            ece_points=12.5,
            adaptive_ece_points=13.0,
            mean_confidence=75.0,
            bins=(
                Bin(low=0, high=50, samples=0, accuracy=None, confidence=None),
                Bin(low=50, high=100, samples=4 * classes, accuracy=62.5, confidence=75.0),
            ),
        ),
        labels=labels,
        classes=class_accuracies(matrix, labels),
        confusion=matrix,
        mistakes=worst_mistakes(matrix, labels, 10),
        corrupted=(worse,),
        plot="folder/pictures/net.svg",
    )


def test_the_tables_hold_the_figures() -> None:
    result = _result()
    assert "| top-1 | **62.50%**, 95% interval 30.57 to 86.32 (Wilson) |" in figures_table(result)
    assert "| expected calibration error | 12.50 points, 2 equal bins |" in figures_table(result)
    assert "| JPEG of quality 50, 4:2:0 | 50.00% | -12.50 (-40.00 to +10.00) | 3.25 |" in corrupted_table(result)
    assert "| as they are | 62.50% |  | 12.50 |" in corrupted_table(result)
    assert classes_table(result).splitlines()[2].startswith("| a | 4 | 75.0% (30.1 to 95.4) | 60.0% |")
    assert confusion_table(result).splitlines() == ["|  | a | b |", "|---|---|---|", "| a | 3 | 1 |", "| b | 2 | 2 |"]


def test_the_report_is_one_file_with_the_picture_beside_it(tmp_path: Path) -> None:
    write_report(_result(3), tmp_path / "report.md")
    text = (tmp_path / "report.md").read_text()
    assert text.startswith("# net.onnx on letters (test)\n")
    assert "Note: mind this" in text
    assert "| b | a | 2 |" in text
    assert "\\|" in text  # a bar in the name of a class would end its cell


def test_many_classes_are_shown_by_their_mistakes(tmp_path: Path) -> None:
    result = _result(26)
    write_report(result, tmp_path / "report.md")
    assert "## Confusion matrix" not in (tmp_path / "report.md").read_text()
    plot_detail(result, tmp_path / "plot.svg")
    picture = (tmp_path / "plot.svg").read_bytes()
    plot_detail(result, tmp_path / "plot.svg")
    assert (tmp_path / "plot.svg").read_bytes() == picture  # the same result, the same bytes
