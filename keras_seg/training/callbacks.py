"""Callbacks that write a run folder, draw samples and warn."""

import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_seg.data import ClassTable
from keras_seg.data.folder import PairSequence
from keras_seg.inference import predict
from keras_seg.layers.base import nested_layers
from keras_seg.runs.files import RunWarning
from keras_seg.runs.folder import RunFolder
from keras_seg.runs.settings import Settings
from keras_seg.training.averaging import ValidateAverage
from keras_seg.training.averaging import averaged
from keras_seg.training.save_run import SaveRun
from keras_seg.training.save_run import validation_matrix

__all__ = [
    "Patience",
    "SamplePanels",
    "WatchClasses",
    "fit_callbacks",
    "run_callbacks",
    "warn_of_small_batches",
]


class Patience(keras.callbacks.Callback):
    """Ends training when the model has not become better for some epochs.

    `keras.callbacks.EarlyStopping` begins to count again when a run goes on.

    Args:
        patience: int, epochs without a better model.
        values: list of floats, the metric of the epochs before.
        monitor: str, the metric whose largest value is the best.
    """

    def __init__(
        self,
        patience: int,
        values: Sequence[float] = (),
        monitor: str = "val_mean_iou",
    ):
        super().__init__()
        self.patience = patience
        self.values = list(values)
        self.monitor = monitor

    @property
    def is_over(self) -> bool:
        """Whether the best epoch is so many epochs ago."""
        if not self.values:
            return False
        best = int(np.argmax(self.values))
        return len(self.values) - 1 - best >= self.patience

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        self.values.append((logs or {}).get(self.monitor, -np.inf))
        if self.is_over:
            self.model.stop_training = True


def fit_callbacks(
    settings: Settings, rows: Sequence[dict[str, Any]] = ()
) -> list[keras.callbacks.Callback]:
    """Returns the callbacks that settings ask for.

    Args:
        settings: `Settings`.
        rows: the history of the epochs before, if a run goes on.
    """
    found: list[keras.callbacks.Callback] = []
    if settings.ema is not None:
        found.append(ValidateAverage())
    if settings.patience is not None:
        before = [row.get("val_mean_iou", -np.inf) for row in rows]
        found.append(Patience(settings.patience, before))
    return found


def run_callbacks(
    run: RunFolder, samples: PairSequence | None = None
) -> list[keras.callbacks.Callback]:
    """Callbacks that write a run folder while a model trains.

    Args:
        run: `keras_seg.runs.RunFolder`.
        samples: optional data, `keras_seg.data.Folder` or any sequence of
            `(image, mask)`, to draw predictions of: the validation images.

    Returns:
        List of callbacks for `fit`: `keras.callbacks.TerminateOnNaN`,
        `WatchClasses`, `SamplePanels` and, last, `SaveRun`. Others go before
        the last.

    Example:

    ```python
    run = runs.RunFolder.create("runs/a", None, classes)
    model.fit(
        batches,
        validation_data=held_out,
        callbacks=training.run_callbacks(run, validation),
    )
    ```
    """
    return [
        keras.callbacks.TerminateOnNaN(),
        WatchClasses(run.class_table),
        *([] if samples is None else [SamplePanels(run, samples)]),
        SaveRun(run),
    ]


class SamplePanels(keras.callbacks.Callback):
    """Writes `samples/epoch_001.png`, … into a run folder.

    Image, truth, prediction and error of a few images, the same in every
    epoch, spread evenly over the data.

    Args:
        run: `keras_seg.runs.RunFolder`.
        data: `keras_seg.data.Folder`, or any sequence of `(image, mask)`:
            the validation images if there are some.
        count: int, number of images. Each costs one prediction an epoch.
    """

    def __init__(self, run: RunFolder, data: PairSequence, count: int = 3):
        super().__init__()
        self.run = run
        self.data = data
        count = min(count, len(data))
        # From the middles of `count` equal parts.
        places = (np.arange(count) + 0.5) * len(data) / count
        self.indices = places.astype(int).tolist()

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        from keras_seg.visualization import comparison

        examples = []
        for index in self.indices:
            image, mask = map(np.asarray, self.data[index])
            with averaged(self.model):
                prediction = predict(self.model, image)
            examples.append((self._title(index), image, mask, prediction))
        picture = comparison(examples, self.run.class_table)
        self.run.write_picture(f"samples/epoch_{epoch + 1:03d}.png", picture)

    def _title(self, index: int) -> str:
        pairs = getattr(self.data, "pairs", None)
        return f"image {index}" if pairs is None else str(pairs[index].stem)


class WatchClasses(keras.callbacks.Callback):
    """Warns when only one class is predicted on the validation images.

    Needs validation data, and in `compile` a metric of `keras_seg.metrics`
    that counts a confusion matrix, such as `MeanIoU`; it is silent without
    them.

    Args:
        class_table: `keras_seg.data.ClassTable`.
        patience: int, number of such epochs in a row before it warns. It warns
            again only after another class was predicted.
    """

    def __init__(self, class_table: ClassTable, patience: int = 2):
        super().__init__()
        self.class_table = class_table
        self.patience = patience
        self.epochs = 0

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        matrix = validation_matrix(self.model, logs)
        if matrix is None or matrix.ndim == 3:
            return  # Of labels there may be none.
        predicted = np.flatnonzero(matrix.sum(axis=0))
        truth = matrix.sum(axis=1)
        only_one = len(predicted) == 1 and np.count_nonzero(truth) > 1
        self.epochs = self.epochs + 1 if only_one else 0
        if self.epochs == self.patience:
            shares = ", ".join(
                f"{name} {100 * share:.1f} %"
                for name, share in zip(
                    self.class_table.names, truth / truth.sum(), strict=True
                )
                if share
            )
            warnings.warn(
                f"Only {self.class_table.names[predicted[0]]!r} is predicted "
                f"on the validation images, for {self.epochs} epochs; the "
                f"shares of their pixels are {shares}. It may still come. "
                "If it does not: train longer, try another learning rate, or "
                "weight rare classes in the loss.",
                RunWarning,
                stacklevel=2,
            )


def warn_of_small_batches(model: keras.Model, batch_size: int) -> None:
    """Warns if batch normalization is trained on fewer than 4 images."""
    if batch_size >= 4:
        return
    trained = [
        layer
        for layer in nested_layers(model)
        if isinstance(layer, keras.layers.BatchNormalization)
        and layer.trainable
    ]
    if trained:
        warnings.warn(
            f"{len(trained)} layers of batch normalization are trained on "
            f"batches of {batch_size}: their statistics are those of single "
            "images, and the network that is used later is not the one that "
            "was trained. Fix: batches of 4 or more, or freeze batch "
            "normalization (--freeze-batch-norm).",
            RunWarning,
            stacklevel=3,
        )
