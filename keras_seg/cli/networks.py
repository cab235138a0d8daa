"""The networks that `keras-seg predict` predicts with."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

from keras_seg.cli import console
from keras_seg.cli.backend import use_backend

__all__ = ["Source", "altered", "exported", "trained"]


@dataclasses.dataclass(frozen=True)
class Source:
    """A network that has not been loaded yet.

    Args:
        path: path of its file.
        classes: `keras_seg.data.ClassTable`.
        bit_depth: int or None, of the 16-bit images it was trained on.
        load: function without arguments that returns it.
    """

    path: pathlib.Path
    classes: Any
    bit_depth: int | None
    load: Callable[[], Any]


def trained(path, last):
    """The network of a run.

    Args:
        path: path of the run folder.
        last: bool, whether the last model is taken, not the best.
    """
    use_backend()

    from keras_seg import training
    from keras_seg.training.source import recorded_source

    run = training.RunFolder.open(path)
    data = recorded_source(run)
    return Source(
        run.model_path(best=not last),
        run.classes,
        data and data.bit_depth,
        lambda: run.load_model(best=not last),
    )


def exported(path):
    """The network that `keras-seg export` wrote; no backend is imported.

    Args:
        path: path of the file, or of the folder of a SavedModel.
    """
    from keras_seg.deployment import ExportedModel

    network = ExportedModel(path)
    metadata = network.metadata
    return Source(path, metadata.classes, metadata.bit_depth, lambda: network)


def altered(model, scales, mirror, output_stride, crf):
    """A Keras model made ready to predict as the options say.

    Args:
        model: `keras.Model`.
        scales: tuple of floats.
        mirror: bool.
        output_stride: int or None.
        crf: bool.
    """
    from keras_seg import surgery
    from keras_seg.inference.scores import warn_of_weights

    # Before surgery: what it folds away is not seen later.
    with console.warnings_as_lines(UserWarning):
        warn_of_weights(model)
    if output_stride is not None:
        model = surgery.set_output_stride(model, output_stride)
    with contextlib.suppress(ValueError):  # A model without a graph.
        model = surgery.fold_batch_norm(model)
    if scales != (1.0,) or mirror:
        model = surgery.average_views(model, scales, mirror)
    return surgery.add_crf(model) if crf else model
