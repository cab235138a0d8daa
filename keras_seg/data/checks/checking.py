"""The check of a whole data set."""

import collections

from keras_seg.data.checks import balance
from keras_seg.data.checks import files
from keras_seg.data.checks import ids
from keras_seg.data.checks import images
from keras_seg.data.checks import leakage
from keras_seg.data.checks.finding import SEVERITIES
from keras_seg.data.checks.report import Report
from keras_seg.data.checks.report import SplitSummary
from keras_seg.data.checks.survey import survey
from keras_seg.data.ids import statistics_of_counts

__all__ = ["check"]


def check(
    data,
    split=None,
    *,
    classes=None,
    mask_values=None,
    progress=None,
    skip_unlabeled=False,
):
    """Look at every image and mask, and say all that is wrong with them.

    Each file is decoded once, on threads, and what is kept of it is a few
    hundred bytes. Nothing is raised for a finding: `Report.ok` tells whether
    the data can be trained on, `Report.raise_if_failed` raises if not. The
    codes and what they mean are listed at `DataError`.

    Args:
        data: str or path of a folder, see `from_folder`; a `Folder`; a
            sequence of `(image, mask)` arrays; or a dictionary from names
            such as "train" and "val" to any of the last two. Between its
            parts an image must not come twice.
        split: optional str, the one split of the folder to look at. By
            default all of them.
        classes: optional `ClassTable` or number of classes. By default those
            of `data`, of `classes.csv`, or else the ids that are found.
        mask_values: optional dictionary, of a path, see `from_folder`.
        progress: optional function of the number of pairs done and of all.
        skip_unlabeled: bool, of a path, see `from_folder`.

    Returns:
        A `Report`.

    Raises:
        DataError: a path is no data set at all, or lacks the split.

    Example:

    >>> from keras_seg.data import check
    >>> from keras_seg.data import synthetic
    >>> images, masks = synthetic.membranes(12, size=64)
    >>> pairs = list(zip(images, masks))
    >>> report = check({"train": pairs, "val": pairs[:1]}, classes=2)
    >>> report.ok, [finding.code for finding in report.findings]
    (False, ['KS-D021', 'KS-D034'])
    """
    found = survey(data, split, classes, mask_values, progress, skip_unlabeled)
    statistics = {}
    if found.classes is not None:
        for name, pairs in found.facts.items():
            counts = [(p.mask.ids, p.mask.pixels) for p in pairs if p.mask]
            statistics[name] = statistics_of_counts(
                counts, len(found.classes), found.void_ids
            )
    wrong_ids = ids.find_wrong_ids(found)
    findings = [
        *files.find_unreadable(found),
        *files.find_left_out(found),
        *wrong_ids,
        *files.find_sizes(found),
        *files.find_interpolated(found),
        *files.find_elsewhere(found),
        *leakage.find_copies(found),
        *leakage.find_lookalikes(found),
        *leakage.find_same_masks(found),
        *images.find_constant(found),
        *images.find_varying_sizes(found),
        *images.find_few(found),
        *images.find_modes(found),
    ]
    if not wrong_ids:  # Else what the ids say of the classes is nothing.
        findings += [
            *balance.find_classes_without_pixels(found, statistics),
            *balance.find_balance(found, statistics),
            *balance.find_void(found, statistics),
        ]
    findings.sort(key=lambda f: (SEVERITIES.index(f.severity), f.code))
    splits = {
        name: SplitSummary(
            len(pairs),
            dict(
                collections.Counter(
                    pair.image.size for pair in pairs if pair.image
                ).most_common()
            ),
            statistics.get(name),
        )
        for name, pairs in found.facts.items()
    }
    return Report(
        found.source, found.classes, splits, tuple(findings), found.data
    )
