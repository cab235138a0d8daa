"""Smaller numbers for LiteRT: half of the bytes, or a fourth."""

import numpy as np

__all__ = ["QUANTIZATIONS", "litert_options"]

QUANTIZATIONS = ("float16", "int8")


def litert_options(quantization, samples):
    """What TensorFlow's converter is told.

    `"float16"` keeps the kernels in half precision. `"int8"` computes in
    eight bits, with the ranges that the samples lead to; images and scores
    stay float32.

    Args:
        quantization: `"float16"` or `"int8"`.
        samples: list of arrays `(height, width, channels)`, in 0...255.

    Returns:
        Dictionary of attributes of `tf.lite.TFLiteConverter`.
    """
    import tensorflow

    options: dict = {"optimizations": [tensorflow.lite.Optimize.DEFAULT]}
    if quantization == "float16":
        options["target_spec"] = {"supported_types": [tensorflow.float16]}
        return options

    def each():
        for image in samples:
            yield [np.asarray(image, "float32")[None]]

    return {**options, "representative_dataset": each}
