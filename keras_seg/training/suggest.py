"""Which settings fit the images at hand, and why each default is what it is."""

import dataclasses
import math
import statistics
import time
from collections.abc import Sequence

import keras

from keras_seg.data import ClassTable
from keras_seg.data import suggest_longest_side
from keras_seg.data.folder import PairSequence
from keras_seg.runs.files import RunError
from keras_seg.runs.settings import Settings
from keras_seg.training.estimates import dry_run
from keras_seg.training.setup import compiled_model
from keras_seg.training.setup import image_sizes
from keras_seg.training.setup import run_classes
from keras_seg.training.setup import shrunk
from keras_seg.training.setup import training_batches
from keras_seg.words import duration

__all__ = [
    "FITTED",
    "REASONS",
    "RangeTest",
    "TooSlow",
    "find_learning_rate",
    "fit_epochs",
    "suggest_settings",
]

# Why each setting is what it is where nothing is asked for; docs/howto/training
# shows them. What was chosen by hand, and not measured, says so.
REASONS = {
    "model": "FCN-2s: linear scores of the features that the backbone has. On "
    "CamVid, in equal processor time and one seed each, drafts of it had "
    "0.658, of decoders with 3×3 convolutions 0.446 to 0.657, FCN-8s 0.646 "
    "(applications/camvid).",
    "backbone": "MobileNetV2: a step of FCN-8s took 1.8 s on two cores, with "
    "ResNet-50 5.1 s (docs/zoo).",
    "weights": "ImageNet's: a linear classifier on them has 0.576 on CamVid, "
    "on random features 0.194.",
    "options": "None: those of the builder, which are the paper's.",
    "start_from": "None: no network of other classes is at hand.",
    "epochs": "As many as make 1,000 updates, 20 to 100: by hand, so that a "
    "new head learns before the rate is 0, and a run on a few images ends.",
    "repeat": "1; with a time, as many as it holds, and as keep what follows "
    "an epoch below a tenth of it.",
    "batch_size": "8, or as many images as there are: by hand, for a "
    "memory of 2 to 4 GiB.",
    "validation_batch_size": "4: by hand; no score depends on it.",
    "size": "What the objects need: long ones fit into a crop, half of the "
    "pixels are of such as are 24 long and 3 thick, see "
    "`keras_seg.data.suggest_longest_side`.",
    "crop": "256, and no more than half of the images have: by hand.",
    "scale": "0.75 to 1.5: narrower than DeepLab's 0.5 to 2, as a short run "
    "sees few crops; by hand.",
    "flip": "Yes: a mirrored photograph is a photograph. Switch it off for "
    "letters and other things with a left and a right.",
    "augment": "standard: scale, crop and flip, with which the figures here "
    "were measured.",
    "loss": "Cross-entropy, that of the papers, and Dice, for rare classes: on "
    "CamVid 0.665 and poles 0.07, without Dice 0.658 and 0.04 (drafts of "
    "FCN-2s, one seed each).",
    "binary": "No: by hand; a softmax of two scores knows the same.",
    "threshold": "None, 0.5: by hand; the loss trains for it.",
    "class_weights": "None: they raise the accuracy of rare classes, and the "
    "pixels that are wrongly given to them.",
    "optimizer": "AdamW: by hand; SGD's rates differ by powers of ten among "
    "the papers.",
    "learning_rate": "1e-3: after 80 steps on five data sets 3e-3 was better "
    "by 0.03 on membranes and 0.01 on CamVid, worse by 0.03 on 12 horses, and "
    "no other on the rest (one seed each, benchmarks/defaults.md).",
    "backbone_rate": "A tenth with pretrained weights: with one rate DeepLab "
    "v3 had 0.10 on its training crops after four epochs, with a tenth 0.41.",
    "weight_decay": "1e-4: by hand.",
    "accumulate": "1: batches of 8 need no more.",
    "ema": "None: the rate falls to 0, where weights hardly move; by hand.",
    "patience": "None: the rate falls to 0 at the last epoch, and the best "
    "one is kept.",
    "teacher": "None: no larger network is at hand.",
    "temperature": "2: by hand; 1 hardens what the teacher says, 4 levels it.",
    "teacher_weight": "0.5: by hand; the masks count as much as the teacher.",
    "precision": "Keras's setting, float32 unless changed.",
    "freeze_batch_norm": "Yes with pretrained weights: a few crops give "
    "noisy statistics; by hand.",
    "workers": "One more than CPUs: threads also wait for the disk.",
    "track": "csv: what every run writes; the others need a package, and some "
    "an account.",
    "seed": "0.",
}
LARGEST_CROP = 256
LARGEST_BATCH = 8
FEWEST_UPDATES = 1000
EPOCHS = (20, 100)
# Of validation and writing, in the time of the training of an epoch.
OVERHEAD = 0.1
# The settings that `suggest_settings` fits to the images.
FITTED = ("size", "crop", "batch_size", "epochs")


def suggest_settings(
    data: PairSequence,
    settings: Settings | None = None,
    names: Sequence[str] = FITTED,
) -> Settings:
    """Fits size, crop, batch size and number of epochs to the images.

    | | |
    |---|---|
    | size | see `keras_seg.data.suggest_longest_side` |
    | crop | 256×256, no side longer than half of the (shrunk) images have |
    | batch size | 8, no more than there are images |
    | epochs | as many as make 1,000 updates, in 20 … 100 |

    256, 8 and 20 are the defaults of `Settings`. 1,000 updates and at most 100
    epochs are chosen by hand, not measured: the learning rate does not fall to
    0 before a new head has learned, and a run on a few images ends. CamVid's
    367 frames of 360×480 get 256×256, 8 and 22.

    Args:
        data: `keras_seg.data.Folder`, or any sequence of `(image, mask)`.
        settings: `Settings` for everything else. Defaults to `Settings()`.
        names: strs, which of the four to fit; the others stay as they are.
            Defaults to all.

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
    if "size" in names:
        size = suggest_longest_side(data)
        settings = dataclasses.replace(settings, size=size)
    if "crop" in names:
        sides = zip(*image_sizes(shrunk(settings, data)), strict=True)
        crop = tuple(
            min(LARGEST_CROP, statistics.median_low(side)) for side in sides
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


@dataclasses.dataclass(frozen=True)
class RangeTest:
    """What `find_learning_rate` measured.

    Args:
        rates: list of floats, the learning rate of each step.
        losses: list of floats, the loss of each step.
        learning_rate: float, the rate to begin with.
    """

    rates: list[float]
    losses: list[float]
    learning_rate: float


def find_learning_rate(
    settings: Settings,
    data: PairSequence,
    *,
    class_table: ClassTable | None = None,
    steps: int = 80,
    low: float = 1e-6,
    high: float = 1.0,
) -> RangeTest:
    """Finds a learning rate by a range test.

    The rate rises exponentially from `low` to `high`, a step each, until the
    loss is four times as large as it was at its best. Losses are smoothed by
    a moving average of momentum 0.9 without its bias. A third of the rate
    where that is lowest is chosen: there it still falls. A loss of 0, such as
    that of crops without an object, says nothing and is left out.

    The weights that come of it are thrown away.

    References:

    - [Cyclical Learning Rates for Training Neural Networks](
      https://arxiv.org/abs/1506.01186), section 3.3

    Args:
        settings: `Settings` for everything else.
        data: see `keras_seg.training.train`.
        class_table: `keras_seg.data.ClassTable`. Defaults to that of `data`.
        steps: int, batches at most. Defaults to 80.
        low: float, the first rate. Defaults to 1e-6.
        high: float, the last rate. Defaults to 1.

    Returns:
        `RangeTest`.

    Raises:
        RunError: If no loss is finite and above 0.

    Example:

    >>> from keras_seg.data import synthetic
    >>> from keras_seg.training import Settings
    >>> from keras_seg.training import find_learning_rate
    >>> pairs = list(zip(*synthetic.membranes(4, size=32)))
    >>> settings = Settings(
    ...     model="unet", backbone=None, weights=None, crop=32, batch_size=2,
    ...     options={"filters": 4, "depth": 2})
    >>> found = find_learning_rate(
    ...     settings, pairs, class_table=synthetic.MEMBRANE_CLASSES, steps=10)
    >>> found.learning_rate in [rate / 3 for rate in found.rates]
    True
    """
    class_table = run_classes(data, None, class_table)
    model = compiled_model(settings, len(class_table), data)
    batches = training_batches(settings, data)
    # `ExponentialDecay` with a factor above 1 rises.
    growth = (high / low) ** (1 / (steps - 1))
    model.optimizer.learning_rate = keras.optimizers.schedules.ExponentialDecay(
        low, 1, growth
    )
    rates: list[float] = []
    losses: list[float] = []
    # Each with its rate.
    smooth: list[tuple[float, float]] = []
    average = 0.0
    over = False
    while not over:
        for images, masks in batches:
            model.reset_metrics()
            found = model.train_on_batch(images, masks, return_dict=True)
            rates.append(low * growth ** len(rates))
            losses.append(float(found["loss"]))
            if losses[-1]:
                average = 0.9 * average + 0.1 * losses[-1]
                share = 1 - 0.9 ** (len(smooth) + 1)
                smooth.append((average / share, rates[-1]))
                over = not smooth[-1][0] < 4 * min(smooth)[0]
            over = over or len(rates) == steps
            if over:
                break
        batches.on_epoch_end()
    finite = [pair for pair in smooth if math.isfinite(pair[0])]
    if not finite:
        raise RunError(
            "No loss of the range test is finite and above 0, by which a "
            "learning rate could be told. Fix: look for images that are not "
            "of 0..255 and masks that are all void, or give a learning rate. "
            f"Received: losses={losses[:5]}"
        )
    return RangeTest(rates, losses, min(finite)[1] / 3)


class TooSlow(ValueError):
    """An epoch takes longer than a run may."""


def fit_epochs(
    settings: Settings,
    data: PairSequence,
    validation: PairSequence | None = None,
    *,
    seconds: float,
    class_table: ClassTable | None = None,
) -> Settings:
    """Fits the number of epochs to the time that a run may take.

    A few steps, a validation and the writing of files are measured, see
    `dry_run`, whose own time counts, too. Where what follows an epoch takes
    more than a tenth of its time, an epoch goes through the images several
    times (`Settings.repeat`), and more times where these leave time. The
    schedule of the learning rate is that of the epochs found, so that it ends
    at 0; on a machine that becomes slower the run takes longer.

    Args:
        settings: `Settings` for everything else.
        data: see `keras_seg.training.train`.
        validation: the same, or `None`.
        seconds: float, of the whole run.
        class_table: `keras_seg.data.ClassTable`. Defaults to that of `data`.

    Returns:
        `Settings`.

    Raises:
        TooSlow: If that is less than one epoch takes. It is a `ValueError`.

    Example:

    ```python
    settings = training.fit_epochs(settings, data, held_out, seconds=600)
    ```
    """
    begin = time.monotonic()
    settings = dataclasses.replace(settings, repeat=1)
    found = dry_run(settings, data, validation, class_table=class_table)
    once = found.steps * found.seconds_per_step
    after = found.validation_seconds + found.save_seconds
    left = seconds - (time.monotonic() - begin)
    left -= found.start_seconds + found.end_seconds
    if left < once + after:
        least = seconds - left + once + after
        raise TooSlow(
            f"One epoch of {found.steps} steps takes {duration(least)} with "
            "all that is before and behind it. Fix: more time, smaller "
            f"images or a smaller network. Received: {duration(seconds)}"
        )
    # As many as the time holds, an epoch among them at least.
    repeat = math.ceil(after / (OVERHEAD * once))
    repeat = max(1, min(repeat, int((left - after) / once)))
    epochs = int(left / (repeat * once + after))
    repeat = int((left / epochs - after) / once)
    return dataclasses.replace(settings, epochs=epochs, repeat=repeat)
