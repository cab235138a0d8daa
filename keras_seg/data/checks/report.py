"""`Report`: findings and figures as text, JSON and a sheet of images."""

import dataclasses
import json
import os
import pathlib
from typing import Any
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from keras_seg import words
from keras_seg.atomic import replacing
from keras_seg.data.checks.finding import SEVERITIES
from keras_seg.data.checks.finding import Finding
from keras_seg.data.checks.sheet import draw_sheet
from keras_seg.data.classes import ClassTable
from keras_seg.data.ids import ClassStatistics
from keras_seg.data.sizes import Sizes

__all__ = ["Report", "SplitSummary", "report_as_text", "table"]


@dataclasses.dataclass(frozen=True)
class SplitSummary:
    """The figures of a split.

    Args:
        pairs: int, number of pairs, readable or not.
        sizes: dictionary from (height, width) to the number of images, the
            most frequent first.
        statistics: `ClassStatistics` of the readable masks, or `None` if the
            classes are unknown.
        overlap: optional float, of several labels the part of the pixels
            that have more than one class.
    """

    pairs: int
    sizes: dict[tuple[int, int], int]
    statistics: ClassStatistics | None
    overlap: float | None = None


@dataclasses.dataclass(frozen=True)
class Report:
    """The result of `check`.

    Args:
        source: str, the folder that was checked, or "data".
        class_table: `ClassTable`, or `None` if not even that can be told.
        splits: dictionary from names to `SplitSummary`.
        findings: tuple of `Finding`, errors first.
        data: dictionary from names to the sequences of pairs, for `sheet`.
        sizes: `Sizes` of the split to train on, or `None` if it is unknown
            which that is, or nothing can be read.
        multi_label: bool, whether classes may overlap.
    """

    source: str
    class_table: ClassTable | None
    splits: dict[str, SplitSummary]
    findings: tuple[Finding, ...]
    data: dict[str, Any] = dataclasses.field(repr=False)
    sizes: Sizes | None = None
    multi_label: bool = False

    @property
    def ok(self) -> bool:
        """Whether there is no error; there may be warnings."""
        return not self.of("error")

    def of(self, severity: str) -> tuple[Finding, ...]:
        """The findings of a severity: "error", "warning" or "note"."""
        return tuple(f for f in self.findings if f.severity == severity)

    def raise_if_failed(self) -> Self:
        """Raise the first error if there is one; otherwise return the report.

        Raises:
            DataError: The first error; its notes are the others.
        """
        errors = self.of("error")
        if not errors:
            return self
        error = errors[0].to_error()
        for other in errors[1:]:
            error.add_note(str(other))
        raise error

    def to_text(self) -> str:
        """The report as plain text."""
        return report_as_text(self)

    def to_json(self) -> str:
        """The report as JSON."""
        known: dict[str, Any] = {"classes": None, "void_ids": None}
        if self.class_table:
            known = self.class_table.to_dict()
            known["void_ids"] = sorted({*known["void_ids"], 255})
        content = {
            "version": 1,
            "source": self.source,
            "ok": self.ok,
            "counts": {s: len(self.of(s)) for s in SEVERITIES},
            "findings": [dataclasses.asdict(f) for f in self.findings],
            **known,
            "splits": {
                name: _split_as_json(split)
                for name, split in self.splits.items()
            },
            "multi_label": self.multi_label,
            "sizes": self.sizes and dataclasses.asdict(self.sizes),
        }
        return json.dumps(content, indent=2, ensure_ascii=False)

    def sheet(self, tiles: int = 12) -> NDArray[np.uint8]:
        """Draw at most `tiles` images and masks, those at fault first.

        A uint8 array `(height, width, 3)`.
        """
        return draw_sheet(self, tiles)

    def show(self) -> Image.Image:
        """The sheet as a picture that a notebook shows."""
        from keras_seg.visualization.notebook import as_image

        return as_image(self.sheet())

    def _repr_html_(self) -> str:
        from keras_seg.visualization.notebook import as_html

        header = ("code", "severity", "file", "found", "fix", "files")
        rows = [
            (f.code, f.severity, f.file, f.found, f.fix, f.count)
            for f in self.findings
        ]
        return as_html(
            _verdict(self), header if rows else (), rows, self.show()
        )

    def write(self, folder: str | os.PathLike) -> list[pathlib.Path]:
        """Write report.txt, report.json and sheet.png, and list their paths.

        Args:
            folder: str or path, created if it does not exist.
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
        **({} if split.overlap is None else {"overlap": split.overlap}),
    }


def _write_text(path, text):
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8", "backslashreplace")


_SIZES = 3  # named a split
_INDENT = " " * 9  # the width of a code and two spaces


def report_as_text(report):
    """The text of a `Report`: verdict, findings and tables."""
    parts = [_verdict(report)]
    for severity in SEVERITIES:
        for finding in report.of(severity):
            parts.append(_finding(finding, report.source))
    if report.multi_label:
        parts.append(_overlaps(report))
    if report.splits:
        parts.append(_splits(report))
    if report.class_table and any(s.statistics for s in report.splits.values()):
        parts.append(_classes(report))
        names = report.class_table.names
        unnamed = names == ClassTable.default(len(names)).names
        if unnamed and os.path.isdir(report.source):
            parts.append(
                f"To name the classes, write classes.csv into {report.source}: "
                "a line id,name, and one for each class, such as 0,background."
            )
    if report.sizes:
        parts.append(_sizes(report.sizes))
    return "\n\n".join(parts)


def table(header, rows, left=(0,)):
    """Align columns, those in `left` to the left, the others to the right.

    Example:

    >>> print(table(["class", "pixels"], [["sky", "12"], ["road", "7"]]))
    class  pixels
    sky        12
    road        7
    """
    rows = [header, *rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _verdict(report):
    counts = [words.count(len(report.of(s)), s) for s in SEVERITIES]
    counts = [count for count in counts if not count.startswith("0")]
    verdict = "can be trained on" if report.ok else "cannot be trained on"
    return f"{report.source} {verdict}: {', '.join(counts) or 'no finding'}."


def _finding(finding, source):
    lines = [
        f"{finding.code}  {finding.severity}: {finding.file} {finding.found}; "
        f"{finding.allowed}."
    ]
    if finding.guess:
        lines.append(f"{_INDENT}{finding.guess}")
    lines.append(f"{_INDENT}Fix: {finding.fix}.")
    if finding.count > 1:
        lines.append(f"{_INDENT}{finding.listing(source)}")
    return "\n".join(lines)


def _overlaps(report):
    """How masks of several labels were read, and whether they overlap."""
    layouts = {getattr(data, "layout", "") for data in report.data.values()}
    how = "".join(f" ({layout})" for layout in sorted(layouts - {""}))
    shares = ", ".join(
        f"{percent(split.overlap)} of {name}"
        for name, split in report.splits.items()
        if split.overlap is not None
    )
    return f"Classes may overlap{how}. Pixels of more than one class: {shares}."


def _splits(report):
    rows = []
    for name, split in report.splits.items():
        sizes = [
            f"{width}x{height} ({images})"
            for (height, width), images in split.sizes.items()
        ]
        if len(sizes) > _SIZES:
            sizes = [*sizes[:_SIZES], f"{len(sizes) - _SIZES} more"]
        void = "-"
        if split.statistics:
            void = percent(split.statistics.void_share)
        rows.append([name, str(split.pairs), void, ", ".join(sizes) or "-"])
    header = ["split", "pairs", "void", "sizes (images)"]
    return table(header, rows, left=(0, 3))


def _classes(report):
    """A table of each class's share of labeled pixels, and of its images."""
    header = ["class"]
    columns = []
    for name, split in report.splits.items():
        if split.statistics:
            header += [f"{name}: pixels", "images"]
            columns.append(split.statistics)
    objects = report.sizes.objects if report.sizes else {}
    if objects:
        header.append("objects, pixels")
    rows = []
    for i, name in enumerate(report.class_table.names):
        row = [f"{i} {name}"]
        for statistics in columns:
            row.append(percent(statistics.shares[i]))
            row.append(f"{statistics.images[i]} of {statistics.total_images}")
        if objects:
            row.append("{} to {}".format(*objects[i]) if i in objects else "-")
        rows.append(row)
    return table(header, rows)


def _sizes(sizes):
    """What the size is that `train` would choose, and why."""
    choice = "leave them as they are"
    if sizes.longest_side is not None:
        choice = f"shrink them to {sizes.longest_side}"
    low, high = sizes.images
    long = f"{low} to {high}" if high > low else f"{low}"
    return (
        f"The longer sides of the middle 80 % of the images ({sizes.split}) "
        f"are {long} pixels. train would {choice} (--size): {sizes.reason}.\n"
        "Objects, pixels: the longer sides of connected parts of a class; 80 % "
        "of its pixels lie in parts of these sizes, in "
        f"{words.count(sizes.masks, 'mask')}."
    )


def percent(share):
    """A share in percent, in which only 0 is 0 %.

    Example:

    >>> percent(0.25), percent(0.00004), percent(0.0)
    ('25.00 %', '<0.01 %', '0 %')
    """
    if share == 0:
        return "0 %"
    return "<0.01 %" if share < 0.0001 else f"{100 * share:.2f} %"
