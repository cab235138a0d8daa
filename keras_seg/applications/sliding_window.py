"""A patch classifier at every pixel of an image."""

import os
from collections.abc import Sequence

import keras

from keras_seg.applications.assembly import as_rgb
from keras_seg.applications.assembly import finish
from keras_seg.applications.assembly import freeze_batch_norm_of
from keras_seg.applications.assembly import image_input
from keras_seg.applications.builder import builder
from keras_seg.applications.builder import check_network
from keras_seg.applications.builder import distinct
from keras_seg.applications.builder import without_effect
from keras_seg.applications.n4 import N4
from keras_seg.applications.weights import check_weights
from keras_seg.arguments import check_positive
from keras_seg.fast.layers import replacement_class
from keras_seg.layers import ReflectionPadding
from keras_seg.ops.backend import channel_axis
from keras_seg.ops.backend import spatial_axes
from keras_seg.ops.backend import standardize_data_format
from keras_seg.surgery import fully_convolutional
from keras_seg.surgery import inflate_input
from keras_seg.surgery import replace_classes
from keras_seg.surgery import set_output_stride
from keras_seg.surgery.graph import copy_model
from keras_seg.surgery.graph import data_format_of
from keras_seg.surgery.graph import functional
from keras_seg.surgery.head import find_head
from keras_seg.surgery.padding import check_unpadded

__all__ = ["SlidingWindow"]


@builder
def SlidingWindow(
    classifier: keras.Model | None = None,
    weights: str | os.PathLike | None = None,
    *,
    input_tensor: keras.KerasTensor | None = None,
    input_shape: Sequence[int | None] | None = None,
    classes: int | None = None,
    classifier_activation: str | None = None,
    include_preprocessing: bool = True,
    freeze_batch_norm: bool = False,
    data_format: str | None = None,
    name: str = "sliding_window",
) -> keras.Model:
    """Sliding window: the classifier of a window, at every pixel of an image.

    The logits at a pixel are those of the classifier for the window around
    it. They are computed for all pixels at once: the image is mirrored at
    its border, fully connected layers become convolutions, and strides
    become holes. To the rounding of floats this is what a loop over the
    windows gives, with the classifier's own weights: for N4, 218,896
    multiplications for a pixel instead of 121,464,592. Reference:

    - [Deep Neural Networks Segment Neuronal Membranes in Electron Microscopy
      Images](https://papers.nips.cc/paper/4741) (NIPS 2012)

    The pixel that a window of w×w is around is at row and column `w // 2`
    from 0: the middle of an odd window (47 of 95); of an even one, the pixel
    below and to the right of its middle.

    Either train the classifier on windows with its own `fit`, as the authors
    did, and pass it here; or train this network with `fit` on whole images
    and their masks, with void where the class is unknown. That is training
    on all windows of the images at once. (Batch norm then takes its
    statistics over whole maps, and dropout drops what neighboring windows
    share.) `keras_seg.surgery` has the operations one by one.

    Args:
        classifier: functional `keras.Model` from windows of a fixed size to
            classes, which is copied; or None for
            `keras_seg.applications.N4`, which the paper used. Its last
            activation is left off. Defaults to None.
        weights: None for random weights, or the path of a file with the
            weights of an N4. A classifier given as a model keeps its own.
            Weights of this network load with `model.load_weights`. Defaults
            to None.
        input_tensor: tensor to use as the image. Defaults to a new input.
        input_shape: shape of the image without the batch. Defaults to any
            size, with the channels of the classifier, or 3 without one (the
            paper's images have 1). If a classifier takes RGB, a gray image,
            of 1 channel, is taken for the three alike. With any other
            number, the first channels are the classifier's, and the kernels
            of the others begin at zero.
        classes: int, at least 1; the scores of a classifier that has others
            are made anew. Defaults to those of the classifier, or 2.
        classifier_activation: name of an activation, or None for logits.
            Defaults to None.
        include_preprocessing: bool, whether N4 gets pixels of 0 … 255 and
            brings them to -1 … 1, or they are taken as they come. A
            classifier given as a model gets them as they come. Defaults to
            True.
        freeze_batch_norm: bool, whether the batch norm of the classifier
            keeps its statistics and is not trained. Defaults to False.
        data_format: `"channels_last"`, `"channels_first"` or None for that
            of the classifier, or the Keras setting without one.
        name: str, name of the model.

    Returns:
        A functional `keras.Model`: images of any size to float32 logits
        `(batch, height, width, classes)` of the same size. Its layers have
        the names and weights of the classifier's.

    Raises:
        ValueError: If an argument is out of range. The message names it. Or
            if a layer would not compute the same in a larger image: one that
            pads, or takes in more than a window.

    Example:

    >>> import keras, keras_seg
    >>> classifier = keras.Sequential([
    ...     keras.Input((15, 15, 3)),
    ...     keras.layers.Conv2D(8, 4, activation="relu"),
    ...     keras.layers.MaxPooling2D(2),
    ...     keras.layers.Flatten(),
    ...     keras.layers.Dense(2, activation="softmax"),
    ... ])
    >>> model = keras_seg.applications.SlidingWindow(classifier)
    >>> model.compute_output_shape((1, 97, 33, 3))
    (1, 97, 33, 2)
    """
    if classes is not None:
        check_positive(classes=classes)
    check_weights(weights)
    if weights == "imagenet" or (weights and classifier is not None):
        raise ValueError(
            "`weights` must be None or the path of a file with the weights "
            "of N4; a classifier given as a model keeps its own. "
            f"Received: weights={str(weights)!r}, classifier={classifier!r}"
        )
    if classifier is None:
        data_format = standardize_data_format(data_format)
        image = image_input(input_tensor, input_shape, data_format)
        classifier = _n4(
            image, weights, classes or 2, include_preprocessing, data_format
        )
    else:
        classifier = distinct(functional(classifier), "classifier")
        why = "on a classifier given as a model, which gets them as they come"
        without_effect(
            "include_preprocessing", include_preprocessing, True, why
        )
        data_format = _check(classifier, data_format)
        check_network(classifier, "classifier", data_format)
        if input_shape is None:
            input_shape = list(classifier.inputs[0].shape[1:])
            for axis in spatial_axes(data_format):
                input_shape[axis - 1] = None
        image = image_input(input_tensor, input_shape, data_format)

    shape = classifier.inputs[0].shape
    window = [shape[axis] for axis in spatial_axes(data_format)]
    if classes not in (None, classifier.outputs[0].shape[-1]):
        classifier = replace_classes(classifier, classes)
    network = copy_model(
        fully_convolutional(classifier), class_of=replacement_class
    )
    axis = channel_axis(data_format)
    x, wanted = image, shape[axis]
    if wanted == 3:
        x = as_rgb(image, data_format)
    if x.shape[axis] != wanted:
        network = inflate_input(network, x.shape[axis])
    around = tuple((size // 2, size - 1 - size // 2) for size in window)
    x = ReflectionPadding(around, data_format=data_format, name="mirror")(x)
    dense = set_output_stride(network, 1, input_tensor=x)
    if freeze_batch_norm:
        freeze_batch_norm_of(dense)
    return finish(
        dense.outputs[0], image, classifier_activation, data_format, name
    )


def _n4(
    image: keras.KerasTensor,
    weights: str | os.PathLike | None,
    classes: int,
    include_preprocessing: bool,
    data_format: str,
) -> keras.Model:
    channels = image.shape[channel_axis(data_format)]
    window = (95, 95, channels)
    if data_format == "channels_first":
        window = (channels, 95, 95)
    classifier = N4(
        window,
        classes=classes,
        include_preprocessing=include_preprocessing,
        data_format=data_format,
    )
    if weights is not None:
        classifier.load_weights(weights)
    return classifier


def _check(classifier: keras.Model, data_format: str | None) -> str:
    """Checks a classifier, and returns its data format."""
    inputs = [tuple(x.shape) for x in classifier.inputs]
    if len(inputs) != 1 or len(classifier.outputs) != 1:
        raise ValueError(
            "`classifier` must have one input and one output. "
            f"Received: classifier='{classifier.name}' with "
            f"{len(inputs)} and {len(classifier.outputs)}"
        )
    if len(inputs[0]) != 4 or None in inputs[0][1:]:
        raise ValueError(
            "`classifier` must take windows of a fixed size: (height, width, "
            f"channels). Received: classifier='{classifier.name}' with "
            f"input_shape={inputs[0][1:]}"
        )
    own = data_format_of(classifier)
    if data_format not in (None, own):
        raise ValueError(
            f"`data_format` must be None or that of the classifier, {own!r}. "
            f"Received: data_format={data_format!r}"
        )
    roots, _ = find_head(classifier)
    check_unpadded(classifier, roots)
    return own
