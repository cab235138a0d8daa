"""Networks for another number of classes."""

import dataclasses
from typing import Any

import keras
from keras import layers
from keras import ops

from keras_seg.arguments import check_positive
from keras_seg.crf import CRFAsRNN
from keras_seg.crf import DenseCRF
from keras_seg.from_logits import ends_in_sigmoid
from keras_seg.from_logits import gives_logits
from keras_seg.keras_private import call_that_made
from keras_seg.keras_private import number_of_calls
from keras_seg.keras_private import output_number
from keras_seg.keras_private import producer
from keras_seg.layers import ASPP
from keras_seg.layers import AtrousConv
from keras_seg.layers import CropLike
from keras_seg.layers import ResizeLike
from keras_seg.layers.metadata import facts_of
from keras_seg.layers.metadata import note
from keras_seg.surgery import graph
from keras_seg.surgery import verification

__all__ = ["LIKE_ANOTHER", "replace_classes"]

# Layers that choose the number of channels they make.
MAKERS = (
    ASPP,
    AtrousConv,
    layers.Conv1D,
    layers.Conv1DTranspose,
    layers.Conv2D,
    layers.Conv2DTranspose,
    layers.Conv3D,
    layers.Conv3DTranspose,
    layers.Dense,
    layers.SeparableConv1D,
    layers.SeparableConv2D,
)

# Layers whose second argument is a size or an image, not scores.
LIKE_ANOTHER = (CRFAsRNN, CropLike, DenseCRF, ResizeLike)

# Operations that join several scores of a class into one.
SUMS = ("Add", "Average", "Maximum", "Minimum")


def replace_classes(
    model: keras.Model, classes: int, verify: bool = True
) -> keras.Model:
    """Rebuilds a classifier or segmentation network for other classes.

    Scores are traced back from the outputs to the layers that make them: one,
    several whose scores are summed, and those of auxiliary heads. These are
    created anew for the new number, with their initializers, as are the layers
    after them that have weights for every class, such as a batch norm or a
    transposed convolution. All other weights are kept exactly.

    Args:
        model: functional `keras.Model` whose outputs are scores or
            probabilities of classes.
        classes: int, the new number.
        verify: bool, whether to compare the layers that are kept with those of
            `model` on a small random image. Defaults to True.

    Returns:
        A functional `keras.Model` with the layer names of `model`.

    Raises:
        ValueError: If `classes` is below 1, or 1 behind a softmax, if the
            outputs have different numbers of classes, or if a layer between
            the scores and the output has no counterpart for other classes: an
            inner model, a concatenation of classes, a layer that uses scores
            as features. The message names it.

    Example:

    >>> import keras_seg
    >>> model = keras_seg.applications.FCN8s(
    ...     "mobilenet_v2", weights=None, classes=21)
    >>> model = keras_seg.surgery.replace_classes(model, 2)
    >>> model.output_shape
    (None, None, None, 2)
    """
    check_positive(classes=classes)
    model = graph.functional(model)
    probabilities = gives_logits(model) is False
    if classes == 1 and probabilities and not ends_in_sigmoid(model):
        raise ValueError(
            "A softmax of one class is 1 everywhere. Fix: classes=2, or a "
            "model without its softmax, whose one score is the logit of the "
            f"class. Received: classes=1, '{model.name}'"
        )
    outputs = keras.tree.flatten(model.outputs)
    # Logits have the classes last; a network of channels first may end in
    # maps that have them second.
    axis = -1
    if graph.data_format_of(model) == "channels_first":
        axis = _class_axis(outputs[0])
    numbers = {x.shape[axis] for x in outputs}
    if len(numbers) > 1 or None in numbers:
        raise ValueError(
            "The outputs of the model must be scores of one number of "
            f"classes. Received: '{model.name}' with outputs of shapes "
            f"{[tuple(x.shape) for x in outputs]}"
        )
    if numbers == {classes}:
        # What depends on the classes is what changes with their number.
        model = _Renewal(model, axis, classes + 1).run()
    renewed = _Renewal(model, axis, classes).run(verify)
    # These were the old classes.
    old = {"class_table", "multi_label", "threshold", "temperature"}
    old &= set(facts_of(renewed) or {})
    if old:
        note(renewed, **dict.fromkeys(old))
    return renewed


def _class_axis(tensor):
    """The axis of the classes in an output of a channels-first network."""
    while True:
        operation, arguments = _history(tensor)
        if isinstance(operation, (layers.Permute, layers.Reshape)):
            return -1
        before = graph.values_of(keras.KerasTensor, arguments)
        if isinstance(operation, MAKERS) or not before:
            dense = isinstance(operation, layers.Dense)
            return -1 if dense or len(tensor.shape) < 3 else 1
        tensor = before[0]


def _history(tensor):
    """The operation that made a tensor, and the arguments of its call."""
    call = call_that_made(tensor)
    return call.operation, (call.args, call.kwargs)


def _weights(operation):
    return getattr(operation, "weights", ())


@dataclasses.dataclass(frozen=True)
class _Part:
    """A tensor of the new network, and whether it has the new classes."""

    tensor: Any
    changed: bool = False


class _Renewal:
    """A model that is being rebuilt for other classes."""

    def __init__(self, model, axis, classes):
        self.model = model
        self.classes = classes
        self.old = keras.tree.flatten(model.outputs)[0].shape[axis]
        self.inputs = {id(tensor) for tensor in model.inputs}
        # By id: the layers that make scores, and operations on scores.
        self.makers: dict[int, Any] = {}
        self.behind: dict[int, Any] = {}
        # From the id of a tensor of scores to the axis of its classes.
        self.axes: dict[int, int] = {}
        for tensor in keras.tree.flatten(model.outputs):
            self._follow(tensor, axis % len(tensor.shape))
        self.copier = graph.Copier()
        self.renewed: dict[int, Any] = {}

    def run(self, verify=False):
        reached: dict = {}
        rebuilt = graph.rebuild(
            self.model,
            _Part,
            self._call,
            self.copier,
            any_size=False,
            reached=reached,
        )
        for old, new in self.renewed.values():
            pairs = zip(_weights(old), _weights(new), strict=True)
            for source, target in pairs:
                if source.shape == target.shape:
                    target.assign(ops.copy(ops.convert_to_tensor(source)))
        if verify:
            renewed = [*self.makers.values(), *self.behind.values()]
            verification.verify(
                "replace_classes",
                self.model,
                rebuilt,
                reached,
                changed=renewed,
            )
        return rebuilt

    def _follow(self, tensor, axis):
        """Traces scores back to the layers that make them."""
        if id(tensor) in self.axes:
            return
        self.axes[id(tensor)] = axis
        operation, arguments = _history(tensor)
        if id(tensor) in self.inputs:
            raise ValueError(
                f"No layer of the model '{self.model.name}' was found to "
                f"make the scores of its output: its input '{tensor.name}' "
                "comes through."
            )
        if isinstance(operation, MAKERS):
            if axis != _channel_axis(operation, tensor):
                self._refuse(operation, "its channels are not the classes")
            if isinstance(operation, ASPP) and operation.version == "v3":
                self._refuse(operation, "its features are not scores")
            self.makers[id(operation)] = operation
            return
        if isinstance(operation, keras.Model):
            self._refuse(operation, "the scores are made in an inner model")
        self.behind[id(operation)] = operation
        before = self._scores_before(operation, arguments, tensor, axis)
        if not before:
            self._refuse(
                operation,
                "no input has the scores of all classes",
            )
        for x, place in before:
            self._follow(x, place)

    def _scores_before(self, operation, arguments, tensor, axis):
        """The inputs of an operation that are scores, each with its axis."""
        given = graph.values_of(keras.KerasTensor, arguments)
        if isinstance(operation, LIKE_ANOTHER):
            given = given[:1]
        made = keras.tree.flatten(operation.output)
        if 1 < len(made) == len(given):
            number = output_number(tensor)
            given = given[number : number + 1]
        before = []
        for x in given:
            place = _axis_before(operation, x, tensor, axis)
            if place is not None and x.shape[place] == self.old:
                before.append((x, place))
        name = type(operation).__name__
        if self.old == 1 and len(before) > 1 and name not in SUMS:
            self._refuse(operation, "which of its inputs has the classes?")
        return before

    def _call(self, operation, *args, **kwargs):
        parts = graph.values_of(_Part, args, kwargs)
        args, kwargs = graph.tensors(args, kwargs)
        reads = parts[:1] if isinstance(operation, LIKE_ANOTHER) else parts
        changed = any(part.changed for part in reads)
        if changed and id(operation) not in self.behind:
            self._refuse(operation, "it takes the scores for features")
        if not changed and id(operation) not in self.makers:
            if id(operation) in self.behind and _weights(operation):
                self._refuse(operation, "it is used on features as well")
            result = self.copier.copy(operation)(*args, **kwargs)
            return keras.tree.map_structure(_Part, result)
        try:
            result = self._renew(operation)(*args, **kwargs)
        except Exception as error:
            reason = f"it can't be made for {self.classes} classes"
            self._refuse(operation, reason, error)
        if number_of_calls(operation) == 1:
            keras.tree.map_structure(
                lambda new, old: self._check(operation, new, old),
                result,
                operation.output,
            )
        return keras.tree.map_structure(lambda x: _Part(x, True), result)

    def _check(self, operation, new, old):
        """Shapes may differ in the number of classes only."""
        wanted = list(old.shape)
        if id(old) in self.axes:
            wanted[self.axes[id(old)]] = self.classes
        if tuple(new.shape) != tuple(wanted):
            self._refuse(
                operation,
                f"it would make {tuple(new.shape)}, not {tuple(wanted)}",
            )

    def _renew(self, operation):
        """The operation for the new number, with new weights."""
        if id(operation) in self.renewed:
            return self.renewed[id(operation)][1]
        config, old = operation.get_config(), self.old
        changes: dict[str, Any] = {}
        if isinstance(operation, MAKERS):
            dense = isinstance(operation, layers.Dense)
            changes["units" if dense else "filters"] = self.classes
        elif config.get("filters") == old:  # A learned enlarging.
            changes["filters"] = self.classes
        elif config.get("groups") == old > 1:  # Keras keeps no -1.
            changes["groups"] = -1
        elif config.get("compatibility") is not None:
            raise ValueError("A matrix of penalties is that of its classes.")
        for key in ("target_shape", "newshape"):
            if key in config:
                changes[key] = self._reshaped(operation, config[key])
        if not changes and not _weights(operation):
            return self.copier.copy(operation)
        new = type(operation).from_config({**config, **changes})
        self.renewed[id(operation)] = operation, new
        return new

    def _reshaped(self, operation, shape):
        tensor = operation.output
        place = self.axes[id(tensor)] - len(tensor.shape)
        shape = list(shape)
        if shape[place] not in (-1, None):
            shape[place] = self.classes
        return tuple(shape)

    def _refuse(self, operation, reason, error=None):
        raise ValueError(
            f"The scores of the model '{self.model.name}' can't be replaced. "
            f"The layer '{operation.name}' ({type(operation).__name__}) is "
            f"on the way from them to the output, and: {reason}."
        ) from error


def _channel_axis(operation, tensor):
    """The axis of the channels that a layer makes."""
    if getattr(operation, "data_format", None) == "channels_first":
        return 1
    return len(tensor.shape) - 1


def _axis_before(operation, x, tensor, axis):
    """The axis of an input that an axis of the output comes from, or None."""
    rank, rank_before = len(tensor.shape), len(x.shape)
    if isinstance(operation, layers.Permute):
        return operation.dims[axis - 1]
    if type(operation) is Transpose:
        axes = operation.axes or range(rank)[::-1]
        return axes[axis] % rank
    if rank == rank_before:
        return axis
    size = tensor.shape[axis]
    if axis == rank - 1 and x.shape[-1] == size:
        return rank_before - 1
    if axis == 1 and rank_before > 1 and x.shape[1] == size:
        return 1
    # A vector for every class, as it is broadcast.
    last = rank_before - (rank - axis)
    return last if last >= 0 and rank_before < rank else None


# The operation of `keras.ops.transpose`, which is not public.
Transpose = type(producer(ops.transpose(keras.KerasTensor((1, 1)))))
