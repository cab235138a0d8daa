"""The reference implementation, pydensecrf, where it is installed.

`pip install keras-seg[crf-oracle]` builds it; `tests/goldens/crf.npz` keeps
what it computed for machines without a compiler.
"""

import numpy as np
import pytest

__all__ = ["NORMALIZATIONS", "reference_filter", "reference_marginals"]

NORMALIZATIONS = ("after", "symmetric", "before", None)


def reference_filter(features, x, normalization):
    """One message: filtered probabilities, and these as it rounds them.

    Args:
        features: float32 array `(points, d)`. The reference adds points with
            zero features until their number is a multiple of four: give it
            one.
        x: float32 array `(points, classes)`, rows summing to one.

    Returns:
        `(x, y)`.
    """
    reference, eigen = _modules()
    points, classes = x.shape
    crf = reference.DenseCRF(points, classes)
    crf.setUnaryEnergy(np.ascontiguousarray(-np.log(x.T)))
    crf.addPairwiseEnergy(
        np.ascontiguousarray(features.T),
        compat=1.0,
        normalization=_normalization(reference, normalization),
    )
    q, _, _ = crf.startInference()
    start = np.array(q).T.copy()
    buffers = [
        eigen.matrixXf(np.zeros((classes, points), "float32")) for _ in range(2)
    ]
    crf.stepInference(q, *buffers)
    # The second holds what is added to the energy: Potts, -1 times.
    return start, -np.array(buffers[1]).T


def reference_marginals(
    image,
    logits,
    bilateral=None,
    gaussian=None,
    iterations=10,
    normalization="after",
):
    """Marginals `(height, width, classes)` of mean field.

    Args:
        image: uint8 array `(height, width, 3)`.
        logits: float32 array `(height, width, classes)`.
        bilateral: `(sxy, srgb, compat)`, gaussian: `(sxy, compat)`; compat is
            the weight of Potts, or a matrix of penalties.
    """
    reference, _ = _modules()
    height, width, classes = logits.shape
    crf = reference.DenseCRF2D(width, height, classes)
    unary = -logits.reshape(-1, classes).T
    crf.setUnaryEnergy(np.ascontiguousarray(unary, "float32"))
    kind = {"normalization": _normalization(reference, normalization)}
    if gaussian is not None:
        sxy, compat = gaussian
        crf.addPairwiseGaussian(sxy=sxy, compat=compat, **kind)
    if bilateral is not None:
        sxy, srgb, compat = bilateral
        crf.addPairwiseBilateral(
            sxy=sxy,
            srgb=srgb,
            rgbim=np.ascontiguousarray(image),
            compat=compat,
            **kind,
        )
    return np.array(crf.inference(iterations)).T.reshape(logits.shape)


def _modules():
    reference = pytest.importorskip(
        "pydensecrf.densecrf", reason="the reference is not installed"
    )
    return reference, pytest.importorskip("pydensecrf.eigen")


def _normalization(reference, name):
    return {
        "after": reference.NORMALIZE_AFTER,
        "symmetric": reference.NORMALIZE_SYMMETRIC,
        "before": reference.NORMALIZE_BEFORE,
        None: reference.NO_NORMALIZATION,
    }[name]
