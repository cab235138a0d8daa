"""Further stages behind the last: copies of it, with weights of their own."""

import keras

from keras_seg.keras_private import run_through_graph
from keras_seg.layers.base import positive_int
from keras_seg.surgery import graph
from keras_seg.surgery import verification
from keras_seg.surgery.pyramid import pyramid

__all__ = ["cascade"]


def cascade(model, copies, *, verify=True):
    """Appends copies of a network's last stage, as DeepLab v3's block5 … 7.

    A copy is everything behind the map that goes into the last stride, the
    stride too: a ResNet of stride 32 reaches 64, 128 and 256. Removing the
    strides by `keras_seg.surgery.set_output_stride` then gives the paper's
    rates: at output stride 16 the last stage sees at rate 2, its copies at 4,
    8 and 16, each times the multi-grid rates (`keras_seg.surgery.multi_grid`,
    applied before) of its units. The copies' weights are new, drawn by the
    layers' initializers. Reference:

    - [Rethinking Atrous Convolution for Semantic Image Segmentation](
      https://arxiv.org/abs/1706.05587), section 3.2

    Args:
        model: functional `keras.Model`, an encoder with its strides.
        copies: int, at least 1: the paper's 1, 2 or 3.
        verify: bool, whether it is checked on a small random image that the
            stages in front of the copies compute what they did. Defaults to
            True.

    Returns:
        A functional `keras.Model` for images of any size, with the layer
        names and the weights of `model`; names in the copies end in
        `_cascade1`, `_cascade2` and so on.

    Raises:
        ValueError: if the network has but one stage, or one that can't be
            repeated on its own output.

    Example:

    >>> import keras, keras_seg
    >>> model = keras.applications.ResNet50(include_top=False, weights=None)
    >>> longer = keras_seg.surgery.cascade(model, 3)
    >>> longer.compute_output_shape((1, 512, 512, 3))
    (1, 2, 2, 2048)
    """
    positive_int("copies", copies)
    model = graph.functional(model)
    levels = list(pyramid(model, verify=False).items())
    if len(levels) < 2:
        raise ValueError(
            f"The network '{model.name}' has no stage behind a stride."
        )
    stride, start = levels[-2]
    reached: dict = {}
    longer = graph.copy_model(model, reached=reached)
    x = longer.output
    try:
        stage = keras.Model(start, model.output)
        if not stage.weights:
            raise ValueError("It has no weights.")
        for number in range(1, copies + 1):
            x = _repeat(stage, x, f"cascade{number}")
    except ValueError as error:
        raise ValueError(
            f"The last stage of '{model.name}' can't be repeated. It must "
            f"begin at one map, of stride {stride}, and take its own output "
            f"for input: {str(error).splitlines()[0]}"
        ) from error
    network = keras.Model(longer.input, x, name=model.name)
    if verify:
        verification.verify("cascade", model, network, reached)
    return network


def _repeat(stage, x, suffix):
    """Calls copies of the stage's layers, with new weights."""
    copier = graph.Copier(new_weights=True)

    def call(operation, *args, **kwargs):
        name = f"{operation.name}_{suffix}"
        return copier.copy(operation, name=name)(*args, **kwargs)

    return run_through_graph(stage, [x], call)
