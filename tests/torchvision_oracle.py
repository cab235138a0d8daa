"""torchvision as an oracle, where it is installed.

torchvision needs the PyTorch it was built for; its networks run beside any:

    pip install --no-deps torchvision==0.28.0
"""

import importlib.util
import sys
import warnings
import zlib

import numpy as np
import pytest

__all__ = ["logits", "models", "network", "random_state"]


def models():
    """`torchvision.models`; skips without torchvision."""
    torch = pytest.importorskip("torch")
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    with warnings.catch_warnings():
        # Of its image files' reader, which is not used.
        warnings.simplefilter("ignore")
        try:
            from torchvision import models
        except RuntimeError:
            # Its compiled part does not fit this PyTorch. What its Python
            # asks for at import are two operators for object detection.
            for name in [*sys.modules]:
                if name.split(".")[0] == "torchvision":
                    del sys.modules[name]
            for name in ("nms", "qnms"):
                torch.library.define(
                    f"torchvision::{name}",
                    "(Tensor dets, Tensor scores, float iou_threshold) "
                    "-> Tensor",
                )
            from torchvision import models
    return models


def network(name, classes, auxiliary):
    """A network of torchvision with the weights of `random_state`."""
    build = models().get_model
    import torch

    options = {"aux_loss": True} if auxiliary else {}
    model = build(
        name,
        weights=None,
        weights_backbone=None,
        num_classes=classes,
        **options,
    )
    shapes = {
        key: tuple(tensor.shape)
        for key, tensor in model.state_dict().items()
        if tensor.ndim
    }
    state = {
        key: torch.tensor(value) for key, value in random_state(shapes).items()
    }
    # What is left are the counters of batches.
    missing, _ = model.load_state_dict(state, strict=False)
    assert all(key.endswith("num_batches_tracked") for key in missing)
    return model.eval()


def logits(model, normalized):
    """What a network of torchvision makes of images, channels last."""
    import torch

    x = torch.tensor(np.moveaxis(normalized, -1, 1).astype("float32"))
    with torch.no_grad():
        outputs = model(x)
    return [np.moveaxis(y.numpy(), 1, -1) for y in outputs.values()]


def random_state(shapes):
    """Arrays for the names of a state dict: the same for a name, anywhere.

    Kernels are scaled so that values neither vanish nor explode; the
    statistics of batch norm are random, too.

    Args:
        shapes: dict of names to shapes.
    """
    state = {}
    for name, shape in shapes.items():
        # Unlike that of a `Generator`, this stream never changes.
        rng = np.random.RandomState(zlib.crc32(name.encode()))
        low, high = -0.35, 0.35
        if len(shape) > 1:
            high = np.sqrt(3 / np.prod(shape[1:]))
            low = -high
        elif name.endswith(("running_var", "weight")):
            low, high = 0.5, 1.5
        values = rng.random_sample(shape) * (high - low) + low
        state[name] = values.astype("float32")
    return state
