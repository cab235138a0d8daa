"""What a check found, with the figures, as text, JSON and pictures."""

import dataclasses
import json
import pathlib
from typing import Any

from keras_seg.atomic import replacing
from keras_seg.data.checks.finding import SEVERITIES
from keras_seg.data.checks.finding import Finding
from keras_seg.data.checks.sheet import draw_sheet
from keras_seg.data.checks.text import report_as_text
from keras_seg.data.classes import ClassTable
from keras_seg.data.statistics import ClassStatistics

__all__ = ["Report", "SplitSummary"]


@dataclasses.dataclass(frozen=True)
class SplitSummary:
    """The figures of a split.

    Args:
        pairs: int, all that were found, readable or not.
        sizes: dictionary from (height, width) to the number of images, the
            most frequent first.
        statistics: `ClassStatistics` of the masks that could be read, or
            `None` if the classes are unknown.
    """

    pairs: int
    sizes: dict[tuple[int, int], int]
    statistics: ClassStatistics | None


@dataclasses.dataclass(frozen=True)
class Report:
    """What `check` gives.

    Args:
        source: str, the folder that was checked, or "data".
        classes: `ClassTable`, or `None` if not even that can be told.
        splits: dictionary from names to `SplitSummary`.
        findings: tuple of `Finding`, errors first.
        data: dictionary from names to the sequences of pairs, for `sheet`.
    """

    source: str
    classes: ClassTable | None
    splits: dict[str, SplitSummary]
    findings: tuple[Finding, ...]
    data: dict[str, Any] = dataclasses.field(repr=False)

    @property
    def ok(self):
        """Whether there is no error; there may be warnings."""
        return not self.of("error")

    def of(self, severity):
        """The findings of a severity: "error", "warning" or "note"."""
        return tuple(f for f in self.findings if f.severity == severity)

    def raise_if_failed(self):
        """Raise the first error, if there is one.

        Returns:
            The report itself.

        Raises:
            DataError: the first error; a note tells of the others.
        """
        errors = self.of("error")
        if not errors:
            return self
        error = errors[0].to_error()
        for other in errors[1:]:
            error.add_note(str(other))
        raise error

    def to_text(self):
        """The report as plain text, to read."""
        return report_as_text(self)

    def to_json(self):
        """The report as JSON, for programs."""
        classes = self.classes
        content = {
            "version": 1,
            "source": self.source,
            "ok": self.ok,
            "counts": {s: len(self.of(s)) for s in SEVERITIES},
            "findings": [dataclasses.asdict(f) for f in self.findings],
            "classes": [
                {"id": i, "name": name, "color": list(color)}
                for i, (name, color) in enumerate(
                    zip(classes.names, classes.colors, strict=True)
                )
            ]
            if classes
            else None,
            "void_ids": sorted(classes.void_ids | {255}) if classes else None,
            "splits": {
                name: _split_as_json(split)
                for name, split in self.splits.items()
            },
        }
        return json.dumps(content, indent=2, ensure_ascii=False)

    def sheet(self, tiles=12):
        """Draw images with their masks over them, those at fault first.

        Args:
            tiles: int, the most images that are shown.

        Returns:
            uint8 array `(height, width, 3)`.
        """
        return draw_sheet(self, tiles)

    def write(self, folder):
        """Write report.txt, report.json and sheet.png, each whole or not.

        Args:
            folder: str or path; made if it does not exist.

        Returns:
            List of the paths written.
        """
        from keras_seg.visualization import save_image

        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"report.{suffix}" for suffix in ("txt", "json")]
        _write_text(paths[0], self.to_text() + "\n")
        _write_text(paths[1], self.to_json() + "\n")
        save_image(folder / "sheet.png", self.sheet())
        return [*paths, folder / "sheet.png"]


def _split_as_json(split):
    statistics = split.statistics
    return {
        "pairs": split.pairs,
        "sizes": [
            {"height": height, "width": width, "images": images}
            for (height, width), images in split.sizes.items()
        ],
        "masks": statistics and statistics.total_images,
        "pixels": statistics and statistics.pixels.tolist(),
        "images": statistics and statistics.images.tolist(),
        "pixels_of_images": statistics and statistics.pixels_of_images.tolist(),
        "void": statistics and statistics.void,
    }


def _write_text(path, text):
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8", "backslashreplace")
