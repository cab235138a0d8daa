"""Quantizes a calibrated LiteRT network, but for what eight bits spoil."""

import numpy as np

__all__ = ["quantized"]


def quantized(calibrated: bytes) -> bytes:
    """A calibrated network in eight bits, but for two kinds of operations.

    What is computed of the size of an image alone, such as the positions of an
    enlarged map, and what takes it in: eight bits tell 256 positions apart.
    And depthwise convolutions, which have few weights but lose by eight bits:
    half of what the rest loses on MobileNetV2.
    """
    import tensorflow

    try:
        from tensorflow.lite.python.convert import mlir_quantize

        operations_of = tensorflow.lite.Interpreter._get_ops_details
    except (ImportError, AttributeError) as error:
        raise RuntimeError(
            f"int8 needs private functions of TensorFlow that "
            f"{tensorflow.__version__} has not: {error}. Fix: an older "
            "TensorFlow, or a newer keras_seg."
        ) from error

    interpreter = tensorflow.lite.Interpreter(model_content=calibrated)
    tensors = {x["index"]: x for x in interpreter.get_tensor_details()}
    floats = {i for i, x in tensors.items() if x["dtype"] == np.float32}
    of_image = {x["index"] for x in interpreter.get_input_details()}
    of_size: set[int] = set()
    kept: set[int] = set()
    # In an order in which each is computed before it is used.
    for operation in operations_of(interpreter):
        name = operation["op_name"]
        inputs, outputs = map(set, (operation["inputs"], operation["outputs"]))
        sees_image = name != "SHAPE" and inputs & of_image
        (of_image if sees_image else of_size).update(outputs)
        if (
            not sees_image
            or inputs & of_size & floats
            or name == "DEPTHWISE_CONV_2D"
        ):
            kept |= outputs & floats
    names = [tensors[i]["name"] for i in sorted(kept)]
    return mlir_quantize(calibrated, denylisted_nodes=names)
