"""SegNet: a decoder that puts values back where the maxima were."""

import keras
from keras import layers

from keras_seg.applications import weights as weight_files
from keras_seg.applications.assembly import finish
from keras_seg.applications.assembly import image_input
from keras_seg.applications.assembly import prepare
from keras_seg.layers import MaxPoolWithSwitches
from keras_seg.layers import MaxUnpool
from keras_seg.layers.base import positive_int
from keras_seg.ops.formats import channel_axis
from keras_seg.ops.formats import standardize_data_format

__all__ = ["SegNet"]

# VGG16's convolutions: how many, and how often 64 filters, block by block.
BLOCKS = ((2, 1), (2, 2), (3, 4), (3, 8), (3, 8))


def SegNet(
    weights="imagenet",
    input_tensor=None,
    input_shape=None,
    classes=11,
    classifier_activation=None,
    include_preprocessing=True,
    filters=64,
    data_format=None,
    name="segnet",
):
    """SegNet: VGG16's convolutions, and their mirror image as a decoder.

    Every convolution is followed by batch norm and ReLU. The pools remember
    where their maxima were, and the decoder un-pools to these places; no
    features pass from the encoder to the decoder, only places. The last
    convolution makes the scores, without batch norm and ReLU. 29,449,355
    weights to train for 11 classes. Reference:

    - [SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image
      Segmentation](https://arxiv.org/abs/1511.00561)

    Pools round up, so maps have odd sizes (360×480 goes 23×30 and 12×15);
    each un-pooling is told the size of the map that was pooled. Batch norm's
    epsilon is 1e-5, where the authors' is 1e-9; He normal kernels are
    Keras's, truncated.

    Args:
        weights: None for random weights, `"imagenet"`, or the path of a file
            with the weights of VGG16: of the encoder's convolutions. Weights
            of the whole network load with `model.load_weights`. Defaults to
            `"imagenet"`.
        input_tensor: tensor to use as the image. Defaults to a new input.
        input_shape: shape of the image without the batch. Defaults to
            `(None, None, 3)`, any size.
        classes: int, at least 1. Defaults to 11, of CamVid.
        classifier_activation: name of an activation, or None for logits.
            Defaults to None.
        include_preprocessing: bool, whether images come as RGB of 0 … 255 or
            are preprocessed already (BGR minus the mean). Images that are
            not RGB are taken as they come. Defaults to True.
        filters: int, of the first block. Defaults to 64; other numbers leave
            VGG16's plan, and need `weights=None`.
        data_format: `"channels_last"`, `"channels_first"` or None for the
            Keras setting: of the image and inside the network.
        name: str, name of the model.

    Returns:
        A functional `keras.Model`: images of any size to float32 logits
        `(batch, height, width, classes)` of the same size.

    Raises:
        ValueError: for arguments that can't be, naming them.
        OSError: if weights can't be downloaded.

    Example:

    >>> import keras_seg
    >>> model = keras_seg.applications.SegNet(weights=None, filters=4)
    >>> model.compute_output_shape((1, 97, 33, 3))
    (1, 97, 33, 11)
    """
    weight_files.check_weights(weights)
    positive_int("classes", classes)
    positive_int("filters", filters)
    data_format = standardize_data_format(data_format)
    image = image_input(input_tensor, input_shape, data_format)
    axis = channel_axis(data_format)
    rgb = image.shape[axis] == 3
    if weights is not None and (filters != 64 or not rgb):
        raise ValueError(
            "VGG16's weights are for 64 filters and RGB images. "
            f"Received: weights={str(weights)!r}, filters={filters}, image of "
            f"shape {tuple(image.shape)}"
        )

    def conv(x, filters, name):
        x = layers.Conv2D(
            filters,
            3,
            padding="same",
            kernel_initializer="he_normal",
            data_format=data_format,
            name=name,
        )(x)
        x = layers.BatchNormalization(
            axis=axis, epsilon=1e-5, name=f"{name}_norm"
        )(x)
        return layers.ReLU(name=f"{name}_relu")(x)

    mode = "caffe" if include_preprocessing and rgb else None
    x = prepare(image, mode, 1, data_format)
    memory = []
    for block, (count, multiple) in enumerate(BLOCKS, start=1):
        for number in range(1, count + 1):
            x = conv(x, filters * multiple, f"block{block}_conv{number}")
        before = x
        x, switches = MaxPoolWithSwitches(
            2, data_format=data_format, name=f"block{block}_pool"
        )(before)
        memory.append((switches, before))

    for block, (count, multiple) in reversed([*enumerate(BLOCKS, start=1)]):
        x = MaxUnpool(2, data_format=data_format, name=f"unpool{block}")(
            x, *memory.pop()
        )
        # The last of a block has the channels of the next switches; in the
        # first block it makes the scores.
        multiples = [multiple] * (count - 1)
        multiples += [BLOCKS[block - 2][1]] if block > 1 else []
        for number, width in enumerate(multiples):
            name_of = f"decoder{block}_conv{count - number}"
            x = conv(x, filters * width, name_of)
    scores = layers.Conv2D(
        classes,
        3,
        padding="same",
        kernel_initializer="he_normal",
        data_format=data_format,
        name="score_fr",
    )(x)
    model = finish(scores, image, classifier_activation, data_format, name)
    if weights is not None:
        _transplant(model, weights)
    return model


def _transplant(model, weights):
    """Gives the encoder's convolutions those of VGG16, by their names."""
    vgg = weight_files.build(keras.applications.VGG16, weights, False, {})
    for layer in vgg.layers:
        if layer.weights:
            model.get_layer(layer.name).set_weights(layer.get_weights())
