"""The sheet of a report: images with their masks drawn over them."""

import numpy as np

from keras_seg.data.checks.facts import read_arrays
from keras_seg.data.classes import VOID
from keras_seg.data.stacks import void_values

__all__ = ["draw_sheet"]

OUTSIDE_COLOR = (255, 0, 255)
_LEGEND = 40  # classes, the most frequent; more would not be told apart


def draw_sheet(report, tiles):
    """Draw the sheet of a `Report`: files at fault first, then samples."""
    from keras_seg import visualization

    marked = _at_fault(report)[:tiles]
    taken = {place for place, _ in marked}
    plain = [p for p in _samples(report, tiles) if p not in taken]
    chosen = marked + [(p, "") for p in plain[: tiles - len(marked)]]
    if not chosen:
        chosen = [((None, 0), "")]
    rows, titles, marks = [], [], []
    for (name, index), codes in chosen:
        rows.append(_pictures(report, name, index))
        titles.append(_title(report, name, index))
        marks.append(codes)
    heading = report.to_text().partition("\n")[0]
    if report.sizes and report.sizes.longest_side:
        heading += f" train would shrink to {report.sizes.longest_side} pixels."
    return visualization.contact_sheet(
        rows,
        titles,
        marks,
        heading=heading,
        key=_key(report, any(_has_outside(row[1]) for row in rows)),
    )


def _at_fault(report):
    """`((split, index), codes)` of files at fault.

    Every finding shows its first file before any shows its second.
    """
    places: dict[str, tuple] = {}
    for name, data in report.data.items():
        for index in range(len(data)):
            for file in _files(data, name, index):
                places.setdefault(file, (name, index))
    named = [
        (rank, order, file, finding.code)
        for order, finding in enumerate(report.findings)
        if finding.severity != "note"
        for rank, file in enumerate(finding.files)
    ]
    codes: dict[tuple, list[str]] = {}
    for _, _, file, code in sorted(named):
        if file in places:
            short = code.removeprefix("KS-")
            known = codes.setdefault(places[file], [])
            if short not in known:
                known.append(short)
    return [(place, " ".join(found)) for place, found in codes.items()]


def _samples(report, count):
    """Equally spaced pairs of all splits."""
    parts = []
    for name, data in report.data.items():
        number = min(count, len(data))
        step = len(data) / max(1, number)
        parts.append([(name, int(i * step)) for i in range(number)])
    wanted = []
    share = -(-count // max(1, len(parts)))
    for part in parts:
        step = max(1, len(part) / share)
        wanted += [part[int(i * step)] for i in range(min(share, len(part)))]
    return wanted + [p for part in parts for p in part if p not in wanted]


def _files(data, name, index):
    if not hasattr(data, "pairs"):
        return (f"{name}[{index}]",)
    pair = data.pairs[index]
    planes = filter(None, pair.planes or ())
    return tuple(map(str, (pair.image, pair.mask, *planes)))


def _title(report, name, index):
    if name is None:
        return "nothing to show"
    data = report.data[name]
    if not hasattr(data, "pairs"):
        return f"{name}[{index}]"
    return f"{name}: {data.pairs[index].image.name}"


def _pictures(report, name, index):
    """Image and overlay, resized before drawing, so outlines stay crisp."""
    from keras_seg import visualization
    from keras_seg.visualization.contact import thumbnail

    if name is None:
        return None, None
    image, ids, _ = read_arrays(report.data[name], index, name)
    small = None if image is None else thumbnail(image)
    if ids is None or report.class_table is None:
        return small, None
    colors = np.asarray(report.class_table.colors)
    if ids.ndim == 3 and ids.shape[2] != len(colors):
        return small, None
    mask, outside = _normal(ids, report.class_table)
    mask, outside = (thumbnail(a, nearest=True) for a in (mask, outside))
    if small is not None and image.shape[:2] == ids.shape[:2]:
        drawn = visualization.overlay(small, mask, colors)
        void = mask == VOID
        if mask.ndim == 3:  # Void of a class hides no other.
            void = void.any(axis=2) & ~(mask == 1).any(axis=2)
        light = np.asarray(visualization.VOID_COLOR)
        drawn[void] = np.rint(0.35 * drawn[void] + 0.65 * light)
    else:
        drawn = visualization.colorize(mask, colors)
    drawn[outside > 0] = OUTSIDE_COLOR
    return small, drawn


def _normal(ids, classes):
    """The mask of 0..C-1 and 255, and where it had any other id.

    Of several labels the planes are of 0, 1 and 255.
    """
    if ids.ndim == 3:
        strange = ~np.isin(ids, list(void_values(classes) | {0, 1}))
        mask = np.where((ids == 0) | (ids == 1), ids, VOID).astype("uint8")
        return mask, strange.any(axis=2).astype("uint8")
    known = (ids >= 0) & (ids < len(classes))
    void = np.isin(ids, list(classes.ignore_classes | {VOID}))
    mask = np.where(known, ids, VOID).astype("uint8")
    return mask, (~known & ~void).astype("uint8")


def _has_outside(drawn):
    return drawn is not None and (drawn == OUTSIDE_COLOR).all(-1).any()


def _key(report, outside):
    from keras_seg import visualization

    if report.class_table is None:
        return None
    parts = [s.statistics for s in report.splits.values() if s.statistics]
    pixels = sum(
        (part.pixels for part in parts),
        np.zeros(len(report.class_table), "int64"),
    )
    void = sum(part.void for part in parts)
    present = np.flatnonzero(pixels)
    frequent = present[np.argsort(-pixels[present], kind="stable")[:_LEGEND]]
    shown = np.sort(frequent)
    names = [f"{i}  {report.class_table.names[i]}" for i in shown]
    colors = [report.class_table.colors[i] for i in shown]
    total = np.full(len(pixels), max(1, int(pixels.sum()) + void))
    if report.multi_label:
        known = sum(part.pixels + part.negatives for part in parts)
        total = np.maximum(1, known)
        void /= max(1, int(known.sum()) + void)
    else:
        void /= total[0]
    shares = [pixels[i] / total[i] for i in shown]
    names.append("void")
    colors.append(visualization.VOID_COLOR)
    shares.append(void)
    key = visualization.legend(names, np.asarray(colors), shares)
    if not outside:
        return key
    extra = visualization.legend(
        ["an id outside the classes"], np.asarray([OUTSIDE_COLOR])
    )
    width = max(key.shape[1], extra.shape[1])
    return np.concatenate(
        [
            np.pad(
                part,
                ((0, 0), (0, width - part.shape[1]), (0, 0)),
                constant_values=255,
            )
            for part in (key, extra)
        ]
    )
