"""Exported files, run by what they were written for.

Each function takes the path of a file and returns a function from float32
images `(batch, height, width, channels)` to scores. None needs Keras.
"""

import os

import numpy as np

__all__ = ["RUNTIMES", "onnx_session"]


def onnx_session(path):
    """The session of ONNX Runtime, on this machine's processor.

    Args:
        path: path of a file.
    """
    import onnxruntime

    return onnxruntime.InferenceSession(
        str(path), providers=["CPUExecutionProvider"]
    )


def _onnx(path):
    session = onnx_session(path)
    (image,) = session.get_inputs()
    return lambda images: session.run(None, {image.name: images})[0]


def _litert(path):
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        import tensorflow

        Interpreter = tensorflow.lite.Interpreter

    # Its default is one thread.
    interpreter = Interpreter(model_path=str(path), num_threads=os.cpu_count())
    (image,) = interpreter.get_input_details()
    (scores,) = interpreter.get_output_details()

    def run(images):
        details = interpreter.get_input_details()[0]
        if tuple(details["shape"]) != images.shape:
            interpreter.resize_tensor_input(image["index"], images.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(image["index"], images)
        interpreter.invoke()
        return interpreter.get_tensor(scores["index"])

    return run


def _openvino(path):
    import openvino

    # Where a processor has bfloat16, scores would be off in the third digit.
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.compile_model(str(path), "CPU", exact)
    return lambda images: compiled(images)[0]


def _saved_model(path):
    import tensorflow

    loaded = tensorflow.saved_model.load(str(path))
    # `loaded` owns the variables.
    return lambda images, kept=loaded: np.asarray(kept.serve(images))


def _torch(path):
    import torch

    network = torch.export.load(str(path)).module()

    def run(images):
        with torch.no_grad():
            return network(torch.from_numpy(images)).numpy()

    return run


RUNTIMES = {
    "onnx": _onnx,
    "litert": _litert,
    "openvino": _openvino,
    "tf_saved_model": _saved_model,
    "torch": _torch,
}
