"""Pretrained weights of backbones: from keras.applications or a file."""

import os
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

import h5py
import keras

__all__ = ["build", "check_weights"]


def check_weights(weights: Any) -> None:
    """Refuses `weights` that are no file of weights, `"imagenet"` or None."""
    if weights is None:
        return
    if not isinstance(weights, str | os.PathLike):
        raise ValueError(
            "`weights` must be None (random initialization), 'imagenet' or a "
            f"path. Received: weights={weights!r}"
        )
    if weights == "imagenet":
        return
    if os.path.exists(weights):
        if zipfile.is_zipfile(weights):
            raise ValueError(
                f"{weights} is a whole saved model, and `weights` takes a "
                "file of the weights of the backbone alone (.h5, "
                ".weights.h5). Fix: go on with a run that was stopped by "
                "keras-seg train --resume RUN; train on from the model in "
                "Python, with keras.models.load_model and, for other "
                "classes, keras_seg.surgery.replace_classes."
            )
        return
    raise ValueError(
        "`weights` must be None (random initialization), 'imagenet' or the "
        "path of a file with the weights of the backbone. "
        f"Received: weights={str(weights)!r}, which does not exist"
    )


def build(
    builder: Callable[..., keras.Model],
    weights: str | os.PathLike | None,
    include_top: bool,
    options: dict[str, Any],
) -> keras.Model:
    """Calls a builder of `keras.applications`, with pretrained weights.

    A file may hold the weights with or without the ImageNet classifier.
    """
    if weights is None:
        return builder(weights=None, include_top=include_top, **options)
    if weights == "imagenet":
        try:
            with warnings.catch_warnings():
                # MobileNets have weights for several sizes; 224 is right.
                warnings.filterwarnings("ignore", "`input_shape` is undefined")
                return builder(
                    weights="imagenet", include_top=include_top, **options
                )
        except Exception as error:
            if "fetch failure" not in str(error):
                raise
            raise OSError(
                f"The ImageNet weights of {builder.__name__} could not be "
                "downloaded, and are not in the Keras cache. Pass "
                "weights=PATH with a file of them, or weights=None to start "
                f"from random ones. ({error})"
            ) from None
    path = str(weights)
    if not h5py.is_hdf5(path):
        raise ValueError(
            f"{path} is not a weights file: an HDF5 file (.h5, .weights.h5) "
            f"is expected, and this one, of {os.path.getsize(path)} bytes, "
            "is none or is incomplete."
        )
    mismatches = []
    for with_top in (include_top, True):
        model = builder(weights=None, include_top=with_top, **options)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                model.load_weights(path)
            return model
        except (ValueError, KeyError, OSError, UserWarning) as error:
            mismatches.append(str(error).splitlines()[0])
    raise ValueError(
        f"{path} does not hold the weights of {builder.__name__}, with or "
        f"without its classifier: {mismatches[0]}"
    )
