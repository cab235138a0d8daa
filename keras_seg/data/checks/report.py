"""What a check found, with the figures, as text, JSON and pictures."""

import dataclasses
import json
import pathlib
from typing import Any

from keras_seg.atomic import replacing
from keras_seg.data.checks.finding import SEVERITIES
from keras_seg.data.checks.finding import Finding
from keras_seg.data.checks.sheet import draw_sheet
from keras_seg.data.classes import ClassTable
from keras_seg.data.ids import ClassStatistics

__all__ = ["Report", "SplitSummary", "report_as_text", "table"]


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
        class_table: `ClassTable`, or `None` if not even that can be told.
        splits: dictionary from names to `SplitSummary`.
        findings: tuple of `Finding`, errors first.
        data: dictionary from names to the sequences of pairs, for `sheet`.
    """

    source: str
    class_table: ClassTable | None
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


_SIZES = 3  # named a split
_INDENT = " " * 9  # the width of a code and two spaces


def report_as_text(report):
    """Verdict, findings and tables.

    Each sentence has a line of its own, so that paths can be copied.
    """
    parts = [_verdict(report)]
    for severity in SEVERITIES:
        for finding in report.of(severity):
            parts.append(_finding(finding, report.source))
    if report.splits:
        parts.append(_splits(report))
    if report.class_table and any(s.statistics for s in report.splits.values()):
        parts.append(_classes(report))
    return "\n\n".join(parts)


def table(header, rows, left=(0,)):
    """Aligned columns: numbers to the right, words (`left`) to the left.

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
    counts = []
    for severity in SEVERITIES:
        number = len(report.of(severity))
        if number:
            counts.append(f"{number} {severity}{'s' * (number > 1)}")
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
    """By pixel: the share of what is labelled. By image: who has it."""
    header = ["class"]
    columns = []
    for name, split in report.splits.items():
        if split.statistics:
            header += [f"{name}: pixels", "images"]
            columns.append(split.statistics)
    rows = []
    for i, name in enumerate(report.class_table.names):
        row = [f"{i} {name}"]
        for statistics in columns:
            row.append(percent(statistics.shares[i]))
            row.append(f"{statistics.images[i]} of {statistics.total_images}")
        rows.append(row)
    return table(header, rows)


def percent(share):
    """A share in percent, never rounded to nothing.

    Example:

    >>> percent(0.25), percent(0.00004), percent(0.0)
    ('25.00 %', '<0.01 %', '0 %')
    """
    if share == 0:
        return "0 %"
    return "<0.01 %" if share < 0.0001 else f"{100 * share:.2f} %"
