"""Training a small network on what a large one says of the same crops."""

import os
import warnings
from typing import Any

import keras
from keras import ops

from keras_seg.data import VOID
from keras_seg.data.folder import PairSequence
from keras_seg.from_logits import resolve_from_logits
from keras_seg.losses.base import safe_divide
from keras_seg.losses.pixels import Pixels
from keras_seg.losses.pixels import flatten
from keras_seg.runs.files import RunWarning
from keras_seg.runs.folder import RunFolder
from keras_seg.runs.model_file import class_table_of
from keras_seg.runs.model_file import load_model
from keras_seg.score_form import is_multi_label
from keras_seg.score_form import known_facts
from keras_seg.surgery.tta import without_shrinking

__all__ = ["distill", "read_teacher"]


def distill(
    model: keras.Model,
    teacher: keras.Model,
    *,
    temperature: float = 2.0,
    weight: float = 0.5,
) -> keras.Model:
    """Lets a compiled model learn from another one, too.

    With logits `s` of the model and `t` of the teacher, the loss of a
    training step becomes

    ```
    (1 - weight) · loss + weight · T² · mean KL(softmax(t / T) ‖ softmax(s / T))
    ```

    over the pixels that are not void; for one logit a pixel and for labels
    that overlap with the sigmoid of each in place of the softmax. `T²` keeps
    the size of the gradients. The loss of a validation is as before. The
    model is saved without the teacher.

    References:

    - [Distilling the Knowledge in a Neural Network](
      https://arxiv.org/abs/1503.02531)

    Args:
        model: compiled `keras.Model`; changed in place.
        teacher: `keras.Model` that takes the same images and gives scores of
            the same classes at their size.
        temperature: float above 0, T. Defaults to 2.
        weight: float from 0 to 1. Defaults to 0.5.

    Returns:
        The model.

    Raises:
        ValueError: If the numbers of classes or channels differ, or one of
            the networks is for classes and the other for labels.

    Example:

    >>> import numpy as np
    >>> from keras_seg import losses
    >>> from keras_seg.applications import UNet
    >>> student = UNet(classes=3, filters=2, depth=1)
    >>> student.compile("sgd", losses.CrossEntropy())
    >>> teacher = UNet(classes=3, filters=8, depth=2)
    >>> images, masks = np.ones((1, 8, 8, 3)), np.zeros((1, 8, 8), "int32")
    >>> history = distill(student, teacher).fit(images, masks, verbose=0)
    """
    scores = [network.outputs[0].shape[-1] for network in (model, teacher)]
    if scores[0] != scores[1]:
        raise ValueError(
            "`teacher` must have the classes of the model. Received: "
            f"{scores[1]} scores a pixel, and {scores[0]}"
        )
    shapes = [network.inputs[0].shape for network in (model, teacher)]
    if shapes[0][-1] != shapes[1][-1]:
        raise ValueError(
            "`teacher` must take the images of the model. Received: "
            f"a teacher for images of shape {shapes[1]}, and {shapes[0]}"
        )
    labels = [is_multi_label(network) for network in (model, teacher)]
    # One score is the logit of a sigmoid in either case.
    if scores[0] > 1 and labels[0] != labels[1]:
        kinds = ["labels that overlap" if x else "classes" for x in labels]
        raise ValueError(
            "`teacher` must have scores of the kind of the model's. Received: "
            f"a teacher of {kinds[1]}, and a model of {kinds[0]}"
        )
    teacher.trainable = False
    divergence = _Divergence(
        temperature,
        [resolve_from_logits(network) for network in (teacher, model)],
    )
    own_loss = model.compute_loss

    def compute_loss(
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        loss = own_loss(x, y, y_pred, sample_weight, training)
        if not training:
            return loss
        said = ops.stop_gradient(teacher(x, training=False))
        return (1 - weight) * loss + weight * divergence((y, said), y_pred)

    compute_loss.is_of_losses = True  # type: ignore[attr-defined]
    # Of the instance: a subclass would be saved as one, with its teacher.
    model.compute_loss = compute_loss
    return model


class _Divergence(keras.losses.Loss):
    """T² times the mean KL(teacher ‖ student) of the valid pixels.

    Keras divides what its losses return by the number of TensorFlow's devices.
    """

    def __init__(self, temperature: float, from_logits: list[bool]):
        super().__init__(name="divergence")
        self._temperature = temperature
        self._from_logits = from_logits

    def call(self, y_true: Any, y_pred: Any) -> Any:
        masks, said = y_true
        teacher, student = (
            flatten(masks, one, ignore_class=VOID, from_logits=from_logits)
            for one, from_logits in zip(
                (said, y_pred), self._from_logits, strict=True
            )
        )
        of_teacher, of_student = (
            ops.log_softmax(_of_classes(pixels) / self._temperature, axis=-1)
            for pixels in (teacher, student)
        )
        each = ops.sum(ops.exp(of_teacher) * (of_teacher - of_student), axis=-1)
        total = ops.sum(each * student.valid)
        mean = safe_divide(total, ops.sum(student.valid))
        return self._temperature**2 * ops.reshape(mean, (1,))


def _of_classes(pixels: Pixels) -> Any:
    """Logits `(batch, pixels, classes)`; a label is one of two classes."""
    if pixels.labels is None:
        return pixels.logits
    return ops.stack([ops.zeros_like(pixels.logits), pixels.logits], axis=-1)


def read_teacher(
    path: str, data: PairSequence | None = None, size: int | None = None
) -> keras.Model:
    """Reads the teacher of a run.

    Args:
        path: str, a run folder, a `.keras` file of it, or `"hf://user/name"`.
        data: what it teaches, whose classes, bands and bit depth are compared
            with those it was trained on, where both are known.
        size: int, the longest side to which the images are shrunk, or None.
            A `RunWarning` says if the teacher's was another.

    Returns:
        `keras.Model`, for images of the size that it was trained on.

    Raises:
        ValueError: If its classes have other names or another order, or its
            images other bands or another bit depth.
    """
    if os.path.isfile(path):
        teacher = load_model(path)
    else:
        teacher = RunFolder.open(path).load_model()
    known = class_table_of(teacher)
    class_table = getattr(data, "class_table", None)
    if class_table and known and known.names != class_table.names:
        raise ValueError(
            "`teacher` must have the classes of the data, in their order. "
            f"Received: {', '.join(known.names)} for "
            f"{', '.join(class_table.names)}"
        )
    facts = known_facts(teacher)
    if data is not None and hasattr(data, "bands") and "bands" in facts:
        _refuse_other("bands", facts["bands"], data.bands)
    depths = facts.get("bit_depth"), getattr(data, "bit_depth", None)
    if None not in depths:
        _refuse_other("bit_depth", *depths)
    teacher, longest_side = without_shrinking(teacher)
    if longest_side != size:
        warnings.warn(
            f"The teacher {path} was trained on images of another size: their "
            f"longest side was {longest_side or 'as it is'}, and here it is "
            f"{size or 'as it is'} (--size). What it says of them is worse.",
            RunWarning,
            stacklevel=2,
        )
    return teacher


def _refuse_other(name: str, there: Any, here: Any) -> None:
    there, here = (
        list(x) if isinstance(x, tuple) else x for x in (there, here)
    )
    if there != here:
        raise ValueError(
            f"`teacher` must have been trained on images of the {name} of the "
            f"data. Fix: another teacher, or the same {name}. "
            f"Received: {there} for {here}"
        )
