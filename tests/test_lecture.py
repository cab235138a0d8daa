"""The arithmetic of the lecture on segmentation, and where it errs."""

import keras
import numpy as np
import pytest

from keras_seg.applications import FCN32s
from keras_seg.layers import AtrousConv
from keras_seg.layers import BedOfNails
from keras_seg.metrics import MeanIoU
from keras_seg.surgery import decimate
from keras_seg.surgery import fully_convolutional
from keras_seg.surgery import set_output_stride
from tests.applications.test_fcn import tiny_vgg


def test_weights_of_a_kernel_of_the_14th_layer():
    """7 · 7 · 512 + 1 = 25,089 a kernel, 102,764,544 for 4096 of them."""
    kernel = AtrousConv(1, 7, padding="valid")
    kernel.build((None, 7, 7, 512))
    assert kernel.count_params() == 25_089
    assert 4096 * 25_089 == 102_764_544


@pytest.mark.once
def test_the_14th_layer_as_a_convolution():
    """The dense layer's weights are the convolution's, none more."""
    image = keras.Input((7, 7, 512))
    x = keras.layers.Flatten()(image)
    # Zeros, as 103 million weights take seconds to draw.
    zeros = {"kernel_initializer": "zeros"}
    x = keras.layers.Dense(4096, activation="relu", name="fc6", **zeros)(x)
    x = keras.layers.Dense(2, name="fc7")(x)
    network = fully_convolutional(keras.Model(image, x), verify=False)
    fc6 = network.get_layer("fc6")
    assert fc6.kernel_size == (7, 7)
    assert fc6.count_params() == 102_764_544
    small = decimate(network, "fc6", kernel_size=3, filters=1024)
    # 3 · 3 · 512 · 1024 + 1024: DeepLab's LargeFOV.
    assert small.get_layer("fc6").count_params() == 4_719_616


@pytest.mark.parametrize(
    "kernel_size, rate, side",
    [
        (3, 1, 3),  # Regular convolution is rate 1.
        (3, 3, 7),  # Nine weights see as far as forty-nine.
        (3, 12, 25),
        # The lecture says 51 for rate 24; k + (k - 1)(r - 1) is 49, and so
        # is what can be seen: see the next test.
        (3, 24, 49),
    ],
)
def test_side_of_a_kernel_with_holes(kernel_size, rate, side):
    layer = AtrousConv(1, kernel_size, dilation_rate=rate)
    assert layer.effective_kernel_size == (side, side)


@pytest.mark.parametrize("rate, side", [(1, 3), (3, 7), (24, 49)])
def test_what_a_kernel_with_holes_sees(rate, side):
    """A single bright pixel is felt `side` positions wide, at nine places."""
    layer = AtrousConv(
        1, 3, dilation_rate=rate, use_bias=False, kernel_initializer="ones"
    )
    x = np.zeros((1, 61, 61, 1), "float32")
    x[0, 30, 30] = 1
    y = keras.ops.convert_to_numpy(layer(x))[0, :, :, 0]
    rows, columns = np.nonzero(y)
    assert np.ptp(rows) + 1 == np.ptp(columns) + 1 == side
    assert len(rows) == 9


def test_regular_convolution_is_rate_1():
    x = np.random.default_rng(0).normal(size=(1, 9, 8, 3)).astype("float32")
    regular = keras.layers.Conv2D(4, 3, padding="same")
    atrous = AtrousConv(4, 3, dilation_rate=1)
    regular.build(x.shape)
    atrous.build(x.shape)
    atrous.set_weights(regular.get_weights())
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(atrous(x)),
        keras.ops.convert_to_numpy(regular(x)),
        rtol=1e-5,
        atol=1e-5,
    )


# The two worked examples: value times kernel, one stride apart, summed. In the
# second, the lecture prints -2 for -4 + 4 in the first row and 1 for -1 at the
# bottom left.
VALUES = [[4, 2], [1, 5]]


@pytest.mark.parametrize(
    "stride, kernel, expected",
    [
        (
            2,
            [[2, 4], [-4, -2]],
            [
                [8, 16, 4, 8],
                [-16, -8, -8, -4],
                [2, 4, 10, 20],
                [-4, -2, -20, -10],
            ],
        ),
        (
            1,
            [[1, 2, -1], [2, 1, 2], [-1, 2, 1]],
            [
                [4, 10, 0, -2],
                [9, 15, 19, -1],
                [-2, 17, 15, 12],
                [-1, -3, 11, 5],
            ],
        ),
        (  # A stride that leaves gaps: Keras has one behind the last, too.
            3,
            [[1, 2], [3, 5]],
            [
                [4, 8, 0, 2, 4, 0],
                [12, 20, 0, 6, 10, 0],
                [0, 0, 0, 0, 0, 0],
                [1, 2, 0, 5, 10, 0],
                [3, 5, 0, 15, 25, 0],
                [0, 0, 0, 0, 0, 0],
            ],
        ),
    ],
)
def test_transposed_convolution(stride, kernel, expected):
    """By Keras, and by a bed of nails and a convolution, as documented."""
    x = np.float32(VALUES).reshape(1, 2, 2, 1)
    k = len(kernel)
    kernel = np.float32(kernel)[..., None, None]
    layer = keras.layers.Conv2DTranspose(1, k, stride, use_bias=False)
    layer.build(x.shape)
    layer.set_weights([kernel])
    y = keras.ops.convert_to_numpy(layer(x))
    np.testing.assert_array_equal(y[0, ..., 0], expected)
    nails = keras.ops.convert_to_numpy(BedOfNails(stride)(x))
    pads = (k - 1, max(k - stride, 0))
    nails = np.pad(nails, [(0, 0), pads, pads, (0, 0)])
    turned = kernel[::-1, ::-1].copy()
    same = keras.ops.conv(nails, turned, padding="valid")
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(same), y)


@pytest.mark.once
def test_preserved_resolution():
    """No map is smaller than the image; the weights are what they were."""
    image, network = keras.Input((32, 64, 3)), tiny_vgg(32)
    network = keras.Model(
        network.input, network.get_layer("block5_pool").output
    )
    dense = set_output_stride(network, 1)
    model = FCN32s(dense, classes=5, input_tensor=image)
    shapes = {layer.output.shape[1:3] for layer in model.layers}
    assert shapes == {(32, 64)}
    assert model.output_shape == (None, 32, 64, 5)
    assert model.count_params() == network.count_params() + 5 * (16 + 1)


@pytest.mark.parametrize("shift, expected", [(1, 9 / 23), (4, 0), (0, 1)])
def test_intersection_over_union(shift, expected):
    """Of two squares of 16 pixels: their masks, and by Keras their boxes."""
    masks = np.zeros((2, 1, 9, 9), int)
    masks[0, :, 1:5, 1:5] = 1
    masks[1, :, 1 + shift : 5 + shift, 1 + shift : 5 + shift] = 1
    metric = MeanIoU(2)
    metric.update_state(*masks)
    np.testing.assert_array_equal(metric.per_class()[1], expected)
    boxes = [np.float32([[[x, x, x + 4, x + 4]]]) for x in (1, 1 + shift)]
    iou = keras.utils.bounding_boxes.compute_iou(*boxes, "xyxy")
    iou = keras.ops.convert_to_numpy(iou).item()
    assert iou == pytest.approx(expected, abs=1e-6)
