"""A report as plain text: verdict, findings, tables."""

from keras_seg.data.checks.finding import SEVERITIES

__all__ = ["report_as_text", "table"]

_SIZES = 3  # named a split
_INDENT = " " * 9  # the width of a code and two spaces


def report_as_text(report):
    """The text of a `Report`.

    Each sentence has a line of its own, unbroken, so that paths and commands
    can be copied.
    """
    parts = [_verdict(report)]
    for severity in SEVERITIES:
        for finding in report.of(severity):
            parts.append(_finding(finding, report.source))
    if report.splits:
        parts.append(_splits(report))
    if report.classes and any(s.statistics for s in report.splits.values()):
        parts.append(_classes(report))
    return "\n\n".join(parts)


def table(header, rows, left=(0,)):
    """Columns in plain text: numbers to the right, words to the left.

    Args:
        header: list of str.
        rows: list of lists of str.
        left: the columns of words.

    Returns:
        Str of several lines.

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
    for i, name in enumerate(report.classes.names):
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
