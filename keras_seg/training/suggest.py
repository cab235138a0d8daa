"""Settings that fit a user's images."""

import dataclasses
import statistics

from keras_seg.training.settings import Settings

__all__ = ["suggest_settings"]

LARGEST_CROP = 256
LARGEST_BATCH = 8
# Updates below which the poly schedule ends before a new head has learnt.
FEWEST_UPDATES = 1000
EPOCHS = (20, 100)
NAMES = ("crop", "batch_size", "epochs")


def suggest_settings(data, settings=None, names=NAMES):
    """Fits crop, batch size and number of epochs to the images there are.

    | | |
    |---|---|
    | crop | 256×256, no side longer than half of the images have |
    | batch size | 8, no more than there are images |
    | epochs | as many as make 1,000 updates, in 20 … 100 |

    On CamVid's 367 frames of 360×480 these are 256×256, 8 and 22.

    Args:
        data: `keras_seg.data.Folder`, or any sequence of `(image, mask)`.
        settings: `Settings` that all else is taken from. Defaults to
            `Settings()`.
        names: strs, those of the three that are to be fitted; the others are
            taken as they are. Defaults to all.

    Returns:
        `Settings`.

    Example:

    >>> from keras_seg.data import synthetic
    >>> from keras_seg.training import suggest_settings
    >>> pairs = list(zip(*synthetic.membranes(6, size=64)))
    >>> found = suggest_settings(pairs)
    >>> found.crop, found.batch_size, found.epochs
    ((64, 64), 6, 100)
    """
    settings = settings or Settings()
    if "crop" in names:
        size = getattr(data, "size", None) or (lambda i: data[i][1].shape)
        sizes = [tuple(map(int, size(i))) for i in range(len(data))]
        crop = tuple(
            min(LARGEST_CROP, statistics.median_low(s[axis] for s in sizes))
            for axis in (0, 1)
        )
        settings = dataclasses.replace(settings, crop=crop)
    if "batch_size" in names:
        batch_size = min(LARGEST_BATCH, len(data))
        settings = dataclasses.replace(settings, batch_size=batch_size)
    if "epochs" in names:
        batches = -(-len(data) // settings.batch_size)
        fewest, most = EPOCHS
        epochs = min(most, max(fewest, -(-FEWEST_UPDATES // batches)))
        settings = dataclasses.replace(settings, epochs=epochs)
    return settings
