"""The convolutions of a TensorFlow Lite file, and Keras layers given them."""

import dataclasses

import numpy as np

__all__ = ["Convolution", "give", "read"]

KINDS = ("CONV_2D", "DEPTHWISE_CONV_2D")


@dataclasses.dataclass(frozen=True)
class Convolution:
    """A convolution as the file has it, batch norm folded in.

    Attributes:
        name: str, of the tensor it makes.
        kernel: array in the layout of Keras: `(rows, columns, in, out)`, or
            `(rows, columns, channels, 1)` of a depthwise one.
        bias: array.
        stride, rate: int.
    """

    name: str
    kernel: np.ndarray
    bias: np.ndarray
    stride: int
    rate: int


def read(path):
    """Reads a file.

    Returns:
        `(convolutions, resizes, joins)` in the order of the graph: a list of
        `Convolution`; for each bilinear resize, whether corners are aligned;
        for each concatenation, the names of its inputs.
    """
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    (graph,) = model.subgraphs
    kinds = {
        code: kind
        for kind, code in vars(schema.BuiltinOperator).items()
        if isinstance(code, int)
    }

    def name(index):
        return graph.tensors[index].name.decode()

    def array(index):
        tensor = graph.tensors[index]
        assert tensor.type == schema.TensorType.FLOAT32
        data = bytes(model.buffers[tensor.buffer].data)
        return np.frombuffer(data, "<f4").reshape(tensor.shape)

    convolutions, resizes, joins = [], [], []
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        kind = kinds[max(code.builtinCode, code.deprecatedBuiltinCode)]
        options = operator.builtinOptions
        if kind in KINDS:
            assert options.strideW == options.strideH
            assert options.dilationWFactor == options.dilationHFactor
            _, kernel, bias = operator.inputs
            convolutions.append(
                Convolution(
                    name(operator.outputs[0]),
                    # From (out, rows, columns, in), depthwise (1, …, out).
                    array(kernel).transpose(1, 2, 3, 0),
                    array(bias),
                    options.strideH,
                    options.dilationHFactor,
                )
            )
        elif kind == "RESIZE_BILINEAR":
            resizes.append(options.alignCorners)
        elif kind == "CONCATENATION":
            joins.append([name(index) for index in operator.inputs])
    return convolutions, resizes, joins


def give(convolution, layer, norm=None):
    """Gives a layer the weights of a convolution of the file.

    A batch norm behind the layer gets the bias as its offset, and else does
    nothing: scale² = variance + ε, with a mean of 0 and a variance of 1.

    Channels that the layer has more than the file begin at zero: they hold
    zeros, and zero weights look at them.
    """
    if norm is None:
        layer.set_weights(
            [
                _fit(convolution.kernel, layer.kernel.shape),
                _fit(convolution.bias, layer.bias.shape),
            ]
        )
        return
    layer.set_weights([_fit(convolution.kernel, layer.kernel.shape)])
    shape = norm.beta.shape
    scale = np.full(shape, np.sqrt(1 + norm.epsilon))
    bias = _fit(convolution.bias, shape)
    norm.set_weights([scale, bias, np.zeros(shape), np.ones(shape)])


def _fit(array, shape):
    """An array with zeros behind it, as many as a larger shape needs."""
    missing = [
        (0, large - small)
        for small, large in zip(array.shape, shape, strict=True)
    ]
    return np.pad(array, missing)
