"""Encoders of zeromodels: `backbone="zeromodels:ConvNeXtV2Tiny"`.

Its networks expect normalized images, and leave that to an image processor
beside the network. Here the family's own normalization becomes a part of the
network (`include_preprocessing=True`), for a model of zeromodels given as
`backbone` too.
"""

import functools
import importlib
import pkgutil
import types
from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from keras_seg.surgery import graph
from keras_seg.words import did_you_mean

__all__ = [
    "PREFIX",
    "find_model",
    "mode_of",
    "plain",
    "with_keras_momentum",
]

PREFIX = "zeromodels:"

# How images of 0 … 255 are normalized, by the mean and deviation of 0 … 1.
MODES = {
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)): "torch",
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)): "tf",
}


def plain(name: str) -> str:
    """A name without what does not count: case, `_`, `-` and `.`.

    >>> plain("ConvNeXtV2-Tiny") == plain("convnextv2_tiny")
    True
    """
    return name.lower().translate(str.maketrans("", "", "_-."))


def find_model(name: str) -> tuple[Callable[..., keras.Model], str]:
    """Returns the builder of an encoder, and its mode of preprocessing.

    Args:
        name: `zeromodels:` and an architecture such as `convnextv2_tiny`,
            weights of one such as `convnextv2_tiny_fcmae_ft_in1k`, or a
            family such as `RegNet` for what it builds by default. Case and
            underscores do not count.

    Returns:
        `(builder, mode)`: a function of `weights` (None or `"imagenet"`) and
        `include_top`, and a mode of `keras_seg.layers.Preprocess`.
    """
    try:
        found = _find(plain(name.removeprefix(PREFIX)))
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "zeromodels":
            raise
        raise ImportError(
            f"backbone={name!r} needs the package zeromodels. Fix: "
            "pip install 'keras-seg[zeromodels]'"
        ) from None
    if found is None:
        known = [x for family in _families() for x in _names(family)]
        word = plain(name.removeprefix(PREFIX))
        guess = did_you_mean(word, map(plain, known))
        raise ValueError(
            f"zeromodels has no image classifier of this name.{guess} Names "
            "are those of its architectures (convnextv2_tiny), of their "
            "weights on the Hub (convnextv2_tiny_fcmae_ft_in1k) or of its "
            f"families (RegNet). Received: backbone={name!r}"
        )
    family, key = found
    config, hosted = _names(family)[key]

    def build(weights: str | None, include_top: bool) -> keras.Model:
        model_class = _class(
            family, "ImageClassify" if include_top else "Model"
        )
        if weights is None and config is not None:
            return model_class(_class(family, "Config")(**config))
        if hosted is None:
            raise ValueError(
                f"zeromodels hosts no weights of {key}. Pass weights=PATH with "
                "a file of them, or weights=None"
            )
        try:
            return model_class.from_weights(
                f"zeromodels/{hosted}", load_weights=weights is not None
            )
        except Exception as error:
            reason = str(error).strip().split("\n")[0]
            raise OSError(
                f"zeromodels/{hosted} could not be downloaded from the Hugging "
                "Face Hub, and is not in its cache. Pass weights=PATH with a "
                "file of its weights, or weights=None with the name of an "
                f"architecture. ({type(error).__name__}: {reason})"
            ) from None

    build.__name__ = key
    return build, _mode(family)


def mode_of(model: keras.Model) -> str | None:
    """The mode of preprocessing that a model of zeromodels expects.

    None for a model of another package, or one that normalizes by itself.
    """
    module = type(model).__module__.split(".")
    if module[:2] != ["zeromodels", "models"]:
        return None
    own = (layers.Normalization, layers.Rescaling)
    if any(isinstance(layer, own) for layer in model.layers):
        return None
    return _mode(importlib.import_module(".".join(module[:3])))


def with_keras_momentum(model: keras.Model) -> keras.Model:
    """Gives batch norm the momentum 0.9 where zeromodels has 0.1.

    That is PyTorch's number for the same: the share of the *new* statistics.
    In Keras it is that of the old ones, and with 0.1 each step of training
    would overwrite 90 % of the moving averages. Predictions do not change.
    """

    def is_torch(layer):
        norm = isinstance(layer, layers.BatchNormalization)
        return norm and layer.momentum == 0.1

    if not any(map(is_torch, model.layers)):
        return model
    copier = graph.Copier()

    def call(operation, *args, **kwargs):
        changes = {"momentum": 0.9} if is_torch(operation) else {}
        return copier.copy(operation, **changes)(*args, **kwargs)

    return graph.rebuild(model, lambda x: x, call, copier, any_size=False)


@functools.cache
def _families() -> list[types.ModuleType]:
    """The modules of the families with an image classifier."""
    import zeromodels.models

    found = []
    for entry in pkgutil.iter_modules(zeromodels.models.__path__):
        try:
            module = importlib.import_module(f"zeromodels.models.{entry.name}")
        except ImportError:  # A family that needs yet another package.
            continue
        if {"ImageClassify", "Config", "Model"} <= _parts(module).keys():
            found.append(module)
    return found


def _parts(module: types.ModuleType) -> dict[str, str]:
    """The names of a family's classes by what stands behind its own name.

    >>> module = types.ModuleType("vgg")
    >>> module.__all__ = ["VGGImageClassify", "VGGModel", "VGGConfig"]
    >>> _parts(module)["Model"]
    'VGGModel'
    """
    names = getattr(module, "__all__", [])
    classifiers = [x for x in names if x.endswith("ImageClassify")]
    if not classifiers:
        return {}
    start = classifiers[0].removesuffix("ImageClassify")
    return {x.removeprefix(start): x for x in names if x.startswith(start)}


def _class(family: types.ModuleType, part: str) -> Any:
    return getattr(family, _parts(family)[part])


@functools.cache
def _names(family: types.ModuleType) -> dict[str, tuple]:
    """Names of a family, with `(config or None, hosted weights or None)`.

    zeromodels keeps the tables of its architectures beside the converters that
    made its weights.
    """
    start = _parts(family)["Model"].removesuffix("Model")
    names: dict[str, tuple] = {start: ({}, None)}
    for entry in pkgutil.iter_modules(family.__path__):
        if not entry.name.startswith("convert_"):
            continue
        try:
            module = importlib.import_module(f"{family.__name__}.{entry.name}")
        except ImportError:
            continue
        tables = vars(module)
        configs = _tables(tables, "_MODEL_CONFIG")
        for key, config in configs.items():
            names[key] = config, None
        for hosted, of in _tables(tables, "_VARIANTS").items():
            key = of.get("model", hosted) if isinstance(of, dict) else hosted
            config = configs.get(key)
            names[hosted] = config, hosted
            if names.get(key, (None, ""))[1] is None:
                names[key] = config, hosted
    return names


def _tables(tables: dict[str, Any], end: str) -> dict[str, Any]:
    return {
        key: value
        for name, table in tables.items()
        if name.endswith(end) and isinstance(table, dict)
        for key, value in table.items()
    }


@functools.cache
def _find(name: str) -> tuple[types.ModuleType, str] | None:
    for family in _families():
        for key in _names(family):
            if plain(key) == name:
                return family, key
    return None


def _mode(family: types.ModuleType) -> str:
    """The mode of a family's own image processor."""
    names = getattr(family, "__all__", [])
    processors = [x for x in names if x.endswith("ImageProcessor")]
    if not processors:
        raise ValueError(
            f"{family.__name__} says nothing of how its images are normalized. "
            "Build the backbone behind a `Rescaling` or `Normalization`, and "
            "give it as a keras.Model"
        )
    processor = getattr(family, processors[0])()
    normal = tuple(processor.image_mean), tuple(processor.image_std)
    if normal not in MODES or processor.rescale_factor != 1 / 255:
        raise ValueError(
            f"{type(processor).__name__} of zeromodels normalizes as no mode "
            "of keras_seg.layers.Preprocess does: mean and deviation "
            f"{normal}. Build the backbone behind a `Rescaling` of these, and "
            "give it as a keras.Model"
        )
    return MODES[normal]
