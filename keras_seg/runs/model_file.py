"""Model files: saving, checked loading, and the class table of a model."""

import contextlib
import math
import os
import zipfile
from collections.abc import Iterator
from typing import Any

import keras

from keras_seg.data.classes import ClassTable
from keras_seg.layers.base import nested_layers
from keras_seg.layers.metadata import facts_of
from keras_seg.layers.metadata import note
from keras_seg.runs.files import RunError
from keras_seg.score_form import number_of_classes

__all__ = [
    "class_table_of",
    "load_model",
    "read_model",
    "set_class_table",
    "without_optimizer",
]


def load_model(
    path: str | os.PathLike, classes: int | None = None
) -> keras.Model:
    """Loads a network, not compiled, without running code in the file.

    A `RunError` says if the file is incomplete, or has not the number of
    classes of the table beside it, if there is one.
    """
    model = read_model(path)
    shape = getattr(model, "output_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4:
        raise RunError(
            f"{path} holds a {type(model).__name__}, and no network that "
            "gives a map of scores. Fix: copy it again from its source, or "
            "train again."
        )
    found = number_of_classes(model)
    if classes is not None and found != classes:
        raise RunError(
            f"{path} has {found} classes, and classes.csv beside it "
            f"{classes}. Fix: put back the table it was trained with."
        )
    return model


def read_model(path: str | os.PathLike) -> keras.Model:
    """Loads any Keras model, such as a classifier, as `load_model` does."""
    # The layers of saved models register themselves when imported.
    import keras_seg.layers  # noqa: F401

    if not zipfile.is_zipfile(path):
        raise RunError(
            f"{path} is not a Keras model, or is incomplete "
            f"({os.path.getsize(path)} bytes). Fix: copy it again from "
            "its source, or train again."
        )
    excess: list[str] = []
    try:
        with _no_more_weights(path, excess):
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
    # Keras raises whatever it meets in a damaged or foreign configuration.
    except Exception as error:
        raise RunError(
            f"{path} cannot be loaded: {excess[0] if excess else error} Fix: "
            "copy it again from its source, or train again."
        ) from error
    # Keras 3.15 thaws parts that a frozen layer makes when it is built, such
    # as those of MultiHeadAttention.
    for layer in getattr(model, "layers", []):
        if not layer.trainable:
            for part in nested_layers(layer):
                part.trainable = False
    return model


def class_table_of(model: Any) -> ClassTable | None:
    """Returns the names and colors of a model's classes, if it has them.

    Args:
        model: `keras.Model` or `keras_seg.deployment.ExportedModel`.
            `keras_seg.training.train` and `set_class_table` set the table;
            a model keeps it when it is saved, cloned or changed by surgery
            that keeps the classes.

    Returns:
        `keras_seg.data.ClassTable`, or None if it was not set.

    Example:

    >>> from keras_seg.applications import UNet
    >>> from keras_seg.data import synthetic
    >>> model = UNet(classes=2, filters=2, depth=1)
    >>> set_class_table(model, synthetic.MEMBRANE_CLASSES)
    >>> class_table_of(keras.models.clone_model(model)).names
    ('cell', 'membrane')
    """
    if not isinstance(model, keras.Model):
        return getattr(model, "class_table", None)
    known = (facts_of(model) or {}).get("class_table")
    return known and ClassTable.from_dict(known)


def set_class_table(model: keras.Model, class_table: ClassTable) -> None:
    """Sets the names and colors of a model's classes.

    Args:
        model: `keras.Model` of `keras_seg.applications`.
        class_table: `keras_seg.data.ClassTable`.

    Raises:
        ValueError: If the model has another number of classes, or was not
            built by `keras_seg.applications`.
    """
    count = number_of_classes(model)
    if count != len(class_table):
        raise ValueError(
            "`class_table` must have a class for each of the model's scores, "
            "and two for one score: what is not the object, and the object. "
            f"Received: {len(class_table)} classes, a model of {count}"
        )
    note(model, class_table=class_table.to_dict())


@contextlib.contextmanager
def _no_more_weights(
    path: str | os.PathLike, excess: list[str]
) -> Iterator[None]:
    """Refuses a layer of more weights than a file of this size can hold.

    Keras draws initial values before it looks at those in the file, so that
    a few bytes of configuration may fill the memory. The reason is added to
    `excess`, as Keras may hide the error.
    """
    with zipfile.ZipFile(path) as file:
        room = sum(part.file_size for part in file.infolist())
    real, count = keras.Layer.add_weight, 0

    def add_weight(
        self: keras.Layer, shape: Any = None, *args: Any, **options: Any
    ) -> keras.Variable:
        nonlocal count
        sides = shape if isinstance(shape, tuple | list) else (shape or 1,)
        count += math.prod(side or 1 for side in sides)
        if count > room:  # A weight takes a byte or more.
            excess.append(
                f"With its layer {self.name!r} it would have {count:,} "
                f"weights, in {room:,} bytes."
            )
            raise ValueError(excess[0])
        return real(self, shape, *args, **options)

    keras.Layer.add_weight = add_weight
    try:
        yield
    finally:
        keras.Layer.add_weight = real


def without_optimizer(model: keras.Model) -> keras.Model:
    """Returns a model of the same layers that is not compiled.

    A compiled model is saved with the variables of its optimizer, which make
    the file three times as large; here they are in `state.npz`. A model that is
    not a plain functional one is returned itself.

    Example:

    >>> import keras
    >>> image = keras.Input((4, 4, 3))
    >>> model = keras.Model(image, keras.layers.Conv2D(2, 1)(image))
    >>> model.compile("adam", "mse")
    >>> without_optimizer(model).compiled
    False
    """
    try:
        twin = keras.Model(model.input, model.output, name=model.name)
    except (AttributeError, TypeError, ValueError):
        return model  # A subclass has no graph.
    same = type(twin) is type(model) and len(twin.layers) == len(model.layers)
    return twin if same else model
