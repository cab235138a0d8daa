"""DeepLab v3 of TensorFlow's mobile model, read from its LiteRT file."""

import dataclasses
import os
import pathlib
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from keras_seg.applications.deeplab_v3 import DeepLabV3
from keras_seg.layers import Preprocess
from keras_seg.lazy import is_installed
from keras_seg.lazy import optional

__all__ = ["mobile_deeplab"]

KINDS = ("CONV_2D", "DEPTHWISE_CONV_2D")
CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D)
# Side of the images that the file is for.
SIDE = 257


def mobile_deeplab(path: str | os.PathLike, name: str) -> keras.Model:
    """Makes the network of `deeplabv3_257_mv_gpu.tflite` a Keras model.

    MobileNetV2 of half width at output stride 8, and an ASPP of a 1×1
    convolution and the mean of the map. Where the file takes 257×257 pixels,
    the model takes any size. Batch norm is folded into the file's
    convolutions: that of the model only adds their biases.

    Args:
        path: path of the file.
        name: str, name of the model.

    Returns:
        A functional `keras.Model`: RGB images of 0 … 255 to float32 logits.

    Raises:
        ValueError: If the file holds another network.
        ImportError: If neither ai-edge-litert nor TensorFlow is installed.
    """
    path = pathlib.Path(path)
    convolutions, joins = _read(path)
    named = {x.name: x for x in convolutions if "MobilenetV2" not in x.name}
    scores = named.get("logits/semantic/BiasAdd")
    if scores is None or len(joins) != 1 or joins[0][1] != "aspp0/Relu":
        raise ValueError(
            f"{path} must hold DeepLab v3 on MobileNetV2 as TensorFlow "
            "published it for phones. Received: a network with the tensors "
            f"{', '.join(list(named)[:3])}"
        )
    encoder, model = _build(len(scores.bias), name)
    convs = [x for x in encoder.layers if isinstance(x, CONVOLUTIONS)]
    norms = [
        model.get_layer(x.name)
        for x in encoder.layers
        if isinstance(x, layers.BatchNormalization)
    ]
    theirs = [x for x in convolutions if x.name not in named]
    for found, layer, norm in zip(theirs, convs, norms, strict=True):
        _give(found, model.get_layer(layer.name), norm)
    form: Any = model.get_layer("aspp").form
    project = named["concat_projection/Relu"]
    # The file joins [mean, 1×1], `ASPP` joins [1×1, mean].
    mean, one = np.split(project.kernel, 2, axis=2)
    project = dataclasses.replace(
        project, kernel=np.concatenate([one, mean], axis=2)
    )
    _give(named["aspp0/Relu"], form.convs[0], form.norms[0])
    _give(named["image_pooling/Relu"], form.pool_conv, form.pool_norm)
    _give(project, form.project_conv, form.project_norm)
    _give(scores, model.get_layer("score_fr"))
    return model


def _build(classes: int, name: str) -> tuple[keras.Model, keras.Model]:
    """Returns the encoder and the network, with random weights.

    The encoder is made for the size of the file: then its own padding is that
    of odd maps, which `DeepLabV3` has at every size.
    """
    is_last = keras.config.image_data_format() == "channels_last"
    shape = (SIDE, SIDE, 3) if is_last else (3, SIDE, SIDE)
    encoder = keras.applications.MobileNetV2(
        alpha=0.5, include_top=False, weights=None, input_shape=shape
    )
    last = encoder.get_layer("block_16_project_BN").output
    encoder = keras.Model(encoder.input, last)
    free = (None, None, 3) if is_last else (3, None, None)
    image = keras.Input(free, name="image")
    return encoder, DeepLabV3(
        encoder,
        weights=None,
        input_tensor=Preprocess("tf", name="preprocess")(image),
        classes=classes,
        output_stride=8,
        atrous_rates=(),
        name=name,
    )


@dataclasses.dataclass(frozen=True)
class _Convolution:
    """A convolution of the file, its kernel in the layout of Keras."""

    name: str  # of the tensor it makes
    kernel: NDArray
    bias: NDArray


def _read(path: pathlib.Path) -> tuple[list[_Convolution], list[list[str]]]:
    """Reads the convolutions of a file, and the inputs of concatenations.

    Both are in the order of the graph.
    """
    package = "ai_edge_litert"
    if not is_installed(package) and is_installed("tensorflow"):
        package = "tensorflow.lite.python"
    schema = optional(
        f"{package}.schema_py_generated", "litert", f"Reading {path.name}"
    )
    try:
        model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
        (graph,) = model.subgraphs
    except Exception as error:  # Whatever the bytes of a damaged file lead to.
        raise ValueError(f"{path} is no LiteRT file, or is damaged.") from error
    kinds = {code: kind for kind, code in vars(schema.BuiltinOperator).items()}

    def name(index: int) -> str:
        return graph.tensors[index].name.decode()

    def array(index: int) -> NDArray:
        tensor = graph.tensors[index]
        data = bytes(model.buffers[tensor.buffer].data)
        return np.frombuffer(data, "<f4").reshape(tensor.shape)

    convolutions, joins = [], []
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        kind = kinds[max(code.builtinCode, code.deprecatedBuiltinCode)]
        if kind in KINDS:
            _, kernel, bias = operator.inputs
            convolutions.append(
                _Convolution(
                    name(operator.outputs[0]),
                    # From (out, rows, columns, in), depthwise (1, …, out).
                    array(kernel).transpose(1, 2, 3, 0),
                    array(bias),
                )
            )
        elif kind == "CONCATENATION":
            joins.append([name(index) for index in operator.inputs])
    return convolutions, joins


def _give(
    found: _Convolution,
    layer: keras.Layer,
    norm: keras.Layer | None = None,
) -> None:
    """Gives a layer the weights of a convolution of the file.

    A batch norm behind the layer gets the bias as its offset, and else does
    nothing: scale² = variance + ε, with a mean of 0 and a variance of 1.
    Channels that the layer has more than the file hold zeros, and zero weights
    look at them.
    """
    if norm is None:
        kernel, bias = layer.get_weights()
        layer.set_weights(
            [_fit(found.kernel, kernel.shape), _fit(found.bias, bias.shape)]
        )
        return
    layer.set_weights([_fit(found.kernel, layer.get_weights()[0].shape)])
    settings: Any = norm
    shape = settings.beta.shape
    scale = np.full(shape, np.sqrt(1 + settings.epsilon))
    bias = _fit(found.bias, shape)
    norm.set_weights([scale, bias, np.zeros(shape), np.ones(shape)])


def _fit(array: NDArray, shape: tuple[int, ...]) -> NDArray:
    """Returns an array with zeros behind it, up to a larger shape."""
    missing = [(0, b - a) for a, b in zip(array.shape, shape, strict=True)]
    return np.pad(array, missing)
