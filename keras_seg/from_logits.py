"""What the scores of a model are: logits, or probabilities."""

from typing import Any

from keras_seg.keras_private import call_that_made
from keras_seg.keras_private import output_number
from keras_seg.keras_private import producer

__all__ = [
    "ends_in_sigmoid",
    "gives_logits",
    "resolve_from_logits",
]

# Operations behind which the scores of a pixel are what they were before, by
# the names of their classes; of several inputs the first counts.
MOVES = frozenset(
    """AlignedScale BilinearUpsampling Cast CenterCrop CropLike Cropping2D
    Dropout ExpandDims Flip GetItem Identity InputLayer Permute Reshape
    ResizeLike SpatialDropout2D Squeeze Transpose UpSampling2D""".split()
)
# Those that make scores of scores.
MIXES = frozenset(
    """Add Average Concatenate Divide Maximum Mean Multiply Subtract
    TrueDivide""".split()
)
ENDS = {
    "linear": "logits",
    "log_softmax": "logits",
    "sigmoid": "sigmoid",
    "softmax": "softmax",
    "CRFAsRNN": "logits",
    "DenseCRF": "logits",
    "Log": "logits",
    "LogSoftmax": "logits",
    "Sigmoid": "sigmoid",
    "Softmax": "softmax",
}


def gives_logits(model: Any, output: int = 0) -> bool | None:
    """Returns whether a model gives logits, from its graph.

    Args:
        model: `keras.Model`, or a `keras_seg.deployment.ExportedModel`, which
            states it itself.
        output: int, which of several outputs. Defaults to the first.

    Returns:
        True for logits: the model ends in a layer without an activation. False
        for probabilities: it ends in a softmax, or in a sigmoid, which gives
        those of labels that do not exclude each other. None if not known: for
        a model without a graph, a custom layer, or another activation.

    Example:

    >>> from keras_seg.applications import UNet
    >>> gives_logits(UNet(filters=4))
    True
    >>> gives_logits(UNet(filters=4, classifier_activation="softmax"))
    False
    """
    if hasattr(model, "from_logits"):
        return model.from_logits
    end = _end_of(model, output)
    return None if end is None else end == "logits"


def ends_in_sigmoid(model: Any) -> bool:
    """Returns whether the first output of a model comes from a sigmoid."""
    return _end_of(model, 0) == "sigmoid"


def _end_of(model: Any, output: int) -> str | None:
    if not type(model).__module__.startswith("keras."):
        return None
    return _of_tensor(model.outputs[output])


def resolve_from_logits(model: Any, from_logits: bool | None = None) -> bool:
    """Returns what a model gives, by its graph or by what the caller says.

    Raises a `ValueError` if neither says it, or if they contradict each other.
    """
    found = gives_logits(model)
    if from_logits is None and found is None:
        raise ValueError(
            f"It cannot be seen whether the model '{_name(model)}' gives "
            "logits or probabilities: it ends neither in a softmax or a "
            "sigmoid nor in a known layer without an activation. Fix: "
            "from_logits=True, or from_logits=False for probabilities. "
            "Received: from_logits=None"
        )
    if from_logits is not None and found not in (None, bool(from_logits)):
        end = "sigmoid" if ends_in_sigmoid(model) else "softmax"
        what = "gives logits" if found else f"ends in a {end}"
        raise ValueError(
            f"The model '{_name(model)}' {what}. Fix: from_logits={found}, or "
            f"leave it out. Received: from_logits={from_logits}"
        )
    return bool(from_logits) if found is None else found


def _name(model: Any) -> str:
    return getattr(model, "name", type(model).__name__)


def _of_tensor(tensor: Any) -> str | None:
    """Returns `"logits"`, `"softmax"`, `"sigmoid"`, or None if not known."""
    operation = producer(tensor)
    name = type(operation).__name__
    if not type(operation).__module__.startswith(("keras.", "keras_seg.")):
        return None  # A subclass may do anything.
    if hasattr(operation, "outputs"):  # A model within the model.
        return _end_of(operation, output_number(tensor))
    before = call_that_made(tensor).inputs
    activation = getattr(operation, "activation", None)
    if activation is not None:
        end = ENDS.get(activation.__name__)
        moves = end == "logits" and name == "Activation"
        return _of_tensor(before[0]) if moves else end
    if name in ENDS:
        return ENDS[name]
    if name in MOVES:
        return _of_tensor(before[0]) if before else None
    if name in MIXES:
        ends = {_of_tensor(x) for x in before}
        return "logits" if ends == {"logits"} else None
    if getattr(operation, "weights", None) and not hasattr(operation, "layer"):
        return "logits"  # Without an activation: a convolution, a norm.
    return None
