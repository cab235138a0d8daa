"""What `keras-seg evaluate` writes: tables, pictures, and of what they are."""

import json
import pathlib
from typing import TYPE_CHECKING
from typing import Any

if TYPE_CHECKING:
    from keras_seg.data import Folder
    from keras_seg.inference import Evaluation
    from keras_seg.runs import RunFolder

__all__ = ["Record", "write_report"]

EXAMPLES = 8
# Endings of the files of an evaluation.
PARTS = (
    *(".csv", "_images.csv", "_worst.png", "_confusion.png"),
    *("_trimap.csv", "_trimap.png"),
    *("_reliability.csv", "_reliability.png"),
)


def write_report(
    run: "RunFolder",
    name: str,
    found: "Evaluation",
    pairs: "Folder",
) -> list[pathlib.Path]:
    """Writes the tables, and the pictures that can be drawn here."""
    import numpy as np

    from keras_seg import visualization

    images = [
        {"image": str(pair.image), "mean_iou": float(value)}
        for pair, value in zip(pairs.pairs, found.per_image, strict=True)
    ]
    written = [
        run.write_table(f"{name}.csv", found.rows()),
        run.write_table(f"{name}_images.csv", images),
    ]
    pictures = {}
    if found.worst(EXAMPLES):
        pictures["worst"] = np.asarray(found.show_worst(EXAMPLES))
    if visualization.can_plot():
        if found.matrix.ndim == 2:
            pictures["confusion"] = visualization.confusion(
                found.matrix, found.class_table.names
            )
        if found.reliability is not None:
            rows = found.reliability.rows()
            pictures["reliability"] = visualization.reliability(rows)
        if found.bands is not None:
            pictures["trimap"] = visualization.trimap_curve(found.bands)
    if found.bands is not None:
        rows = [
            {"width": width, "mean_iou": float(band.mean_iou)}
            for width, band in found.bands.items()
        ]
        written.append(run.write_table(f"{name}_trimap.csv", rows))
    if found.reliability is not None:
        table = run.write_table(
            f"{name}_reliability.csv", found.reliability.rows()
        )
        written.append(table)
    for part, picture in pictures.items():
        run.write_picture(f"{name}_{part}.png", picture)
        written.append(run.path / f"{name}_{part}.png")
    return written


class Record:
    """The JSON file of facts about the data and the model of an evaluation."""

    def __init__(self, run: "RunFolder", name: str, facts: dict[str, Any]):
        self._run, self._name = run, name
        self._facts = json.loads(json.dumps(facts))
        try:
            text = (run.path / f"{name}.json").read_text(encoding="utf-8")
            self._earlier = dict(json.loads(text))
        except (OSError, ValueError, TypeError):
            self._earlier = {}

    def refuse_other_data(self) -> None:
        """Refuses to replace the evaluation of other data."""
        table = self._run.path / f"{self._name}.csv"
        same = self._earlier.get("fingerprint") == self._facts["fingerprint"]
        if table.exists() and not same:
            raise ValueError(
                f"{table} is of other data: "
                f"{self._earlier.get('data', 'it is not known which')}. Fix: "
                "--name NAME for other names of the files, or --overwrite."
            )

    def begin(self) -> None:
        """Removes the files of an earlier, different evaluation.

        Writes the facts before the scores, which would be of another model if
        the command were stopped between them.
        """
        known = {key: self._earlier.get(key) for key in self._facts}
        for part in () if known == self._facts else PARTS:
            (self._run.path / f"{self._name}{part}").unlink(missing_ok=True)
        text = json.dumps(self._facts, indent=2) + "\n"
        self._run.write_text(f"{self._name}.json", text)
