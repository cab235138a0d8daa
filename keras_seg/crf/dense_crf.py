"""Mean field of the fully connected CRF, on an image and scores of classes."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from keras_seg.crf.filtering import backend_filter
from keras_seg.crf.filtering import pixel_tables
from keras_seg.crf.potentials import Bilateral
from keras_seg.crf.potentials import Gaussian
from keras_seg.crf.potentials import Settings

__all__ = ["check_shapes", "dense_crf", "penalties_of", "refine"]

# Probabilities are clipped from below so that neighbors can still raise a
# class to which the network gave zero.
_LEAST_PROBABILITY = 1e-5


def dense_crf(
    image: Any,
    logits: Any = None,
    probabilities: Any = None,
    iterations: int | str = "preset",
    bilateral: str | Mapping | Bilateral | None = "preset",
    gaussian: str | Mapping | Gaussian | None = "preset",
    compatibility: ArrayLike | None = None,
    normalization: str | None = "preset",
    preset: str = "deeplab_v1",
    return_logits: bool = False,
) -> Any:
    """Refines scores of classes by a fully connected CRF on the image.

    Every pixel is a neighbor of every other, the more so the nearer they are
    and the more alike their colors:

        E(x) = -Σ_i log P(x_i) + Σ_{i<j} μ(x_i, x_j) Σ_m w_m k_m(f_i, f_j)

    Mean field approximates the marginals, and the permutohedral lattice its
    filters. The result equals pydensecrf's to about 1e-5. References:

    - [Efficient Inference in Fully Connected CRFs with Gaussian Edge
      Potentials](https://arxiv.org/abs/1210.5644)
    - [Semantic Image Segmentation with Deep Convolutional Nets and Fully
      Connected CRFs](https://arxiv.org/abs/1412.7062)

    The lattice is an approximation itself. It was compared with mean field
    with exact filters on 56×56 crops of five photographs of PASCAL VOC, with
    the scores of a trained DeepLab v3. Single pixels differ by up to 0.95
    (`"deeplab_v1"`), 0.39 (`"krahenbuhl"`) and 0.99 (`"crf_rnn"`); the mean
    over the pixels of a crop is at most 0.010, 0.004 and 0.012, and at most
    1.4, 0.3 and 1.5 % of them get another class. It is worse for a network
    that is unsure: with these scores divided by ten, 0.96, 0.68 and 0.98 in
    single pixels, 0.039, 0.007 and 0.025 in the mean, and 4.1, 0.6 and 2.4 %
    of the pixels.

    A CRF moves borders to edges of the photograph; it does not correct scores
    that are wrong. FCN-8s on MobileNetV2, trained on CamVid, had a mean IoU
    of 0.316 without and 0.328 with it after 10 steps, 0.334 and 0.332 after
    20, 0.405 and 0.404 after 60 (15 frames, `"deeplab_v1"`). Use it where
    `keras_seg.crf_search` or an evaluation on held-out images shows a gain.

    Gradients flow into the scores and the compatibility, but not into the
    image: the lattice is not a continuous function of it.

    | `preset` | `gaussian`: sxy, weight | `bilateral`: sxy, srgb, weight | |
    |---|---|---|---|
    | `"deeplab_v1"` | 3, 3 | 49, 5, 4 | 10 iterations |
    | `"deeplab_v2_vgg16"` | 2, 2 | 65, 3, 4 | 10 iterations |
    | `"deeplab_v2_resnet101"` | 1, 3 | 67, 3, 4 | 10 iterations |
    | `"deconvnet"` | 3, 3 | 20, 3, 5 | 10 iterations |
    | `"crf_rnn"` | 3, 3 | 160, 3, 5 | 10 iterations |
    | `"krahenbuhl"` | 3, 3 | 80, 13, 10 | 5 iterations |

    DeepLab and CRF-RNN divide by the filtered ones after filtering
    (`"after"`); `"krahenbuhl"` and pydensecrf by default divide by their
    square root before and after (`"symmetric"`).

    Args:
        image: array or tensor `(height, width, channels)` or `(batch, height,
            width, channels)`, as it was photographed, 0 … 255: not scaled,
            and without padding.
        logits: float array or tensor `(…, height, width, classes)`, of at
            least two classes, at the size of the image.
        probabilities: the same, after softmax, in place of `logits`. They
            are clipped to at least 1e-5.
        iterations: int, of mean field, or `"preset"`.
        bilateral: `keras_seg.crf.Bilateral` or a mapping of its fields
            `sxy`, `srgb`, `weight`; None for no such kernel; or `"preset"`.
        gaussian: `keras_seg.crf.Gaussian` or a mapping of `sxy`, `weight`;
            None; or `"preset"`.
        compatibility: float array `(classes, classes)`, the *penalty* μ for
            a pair of classes, or None for the Potts model, `1 - I`. A pair
            has no order, so `(μ + μᵀ) / 2` counts. (pydensecrf takes a number
            `w` as the weight of Potts, but a vector or a matrix as penalties
            with their own sign: its `compat=w` is `w (1 - I)` here and there,
            its `compat=w * I` favors different classes.)
        normalization: `"after"`, `"symmetric"`, `"before"`, None or
            `"preset"`.
        preset: str, the settings that are not given. Defaults to
            `"deeplab_v1"`.
        return_logits: bool, whether to return scores whose softmax the
            probabilities are. Defaults to False.

    Returns:
        Probabilities, a float32 tensor of the shape of `logits`.

    Raises:
        ValueError: If an argument is out of range. The message names it.

    Example:

    >>> import numpy as np
    >>> import keras_seg
    >>> image = np.zeros((4, 6, 3), "uint8")
    >>> image[:, 3:] = 200
    >>> logits = np.zeros((4, 6, 2), "float32")
    >>> logits[:, :3, 0] = logits[:, 3:, 1] = 1.0
    >>> logits[1, 1] = (0.0, 0.5)  # one pixel errs
    >>> refined = keras_seg.dense_crf(image, logits)
    >>> [round(float(v), 2) for v in refined[1, 1]]
    [0.98, 0.02]
    """
    settings = Settings.of(
        preset,
        gaussian=gaussian,
        bilateral=bilateral,
        iterations=iterations,
        normalization=normalization,
    )
    if (logits is None) == (probabilities is None):
        raise ValueError("Give either `logits` or `probabilities`.")
    if logits is None:
        probabilities = ops.convert_to_tensor(probabilities, "float32")
        _check_values("probabilities", probabilities, least=0)
        logits = ops.log(ops.maximum(probabilities, _LEAST_PROBABILITY))
    else:
        logits = ops.convert_to_tensor(logits, "float32")
        _check_values("logits", logits)
    image = ops.convert_to_tensor(image)
    check_shapes(image.shape, logits.shape)
    transforms = None
    if compatibility is not None:
        penalties = penalties_of(compatibility, logits.shape[-1])
        transforms = [-penalties] * 2
    single = len(image.shape) == 3
    if single:
        image, logits = image[None], logits[None]
    refined = refine(image, logits, settings, transforms)
    if single:
        refined = refined[0]
    return refined if return_logits else ops.softmax(refined, axis=-1)


def refine(image, logits, settings, transforms=None, weighted=True):
    """Refines scores by the messages of all pixels to all pixels.

        Q ← softmax(scores)        scores ← logits + Σ_m K^(m) Q A^(m)

    Without the matrices `A`, penalties are those of Potts: what they take from
    all classes alike is left out, as softmax does not see it. Algorithm 1 of
    [Krähenbühl and Koltun 2011](https://arxiv.org/abs/1210.5644).

    Args:
        image: tensor `(batch, height, width, channels)`.
        logits: float32 tensor `(batch, height, width, classes)`; gradients
            flow through it.
        settings: `Settings`.
        transforms: list of tensors `A`, `(classes, classes)`, of the Gaussian
            and of the bilateral kernel, where they are set; gradients flow
            through them.
        weighted: bool, whether the kernels' weights count.

    Returns:
        Refined logits, of the shape of `logits`.
    """
    tables = pixel_tables(image, settings, weighted)
    if not tables:
        return logits
    mean_field = _mean_field
    if keras.backend.backend() == "jax":
        mean_field = backend_filter().compiled(mean_field)
    points = ops.reshape(logits, (-1, logits.shape[-1]))
    refined = mean_field(points, tables, transforms, settings.iterations)
    return ops.reshape(refined, ops.shape(logits))


def _mean_field(logits, tables, transforms, iterations):
    filter_points = backend_filter().filter_points

    def step(scores):
        q = ops.softmax(scores, axis=-1)
        scores = logits
        for number, table in enumerate(tables):
            message = filter_points(table, q)
            if transforms is not None:
                message = ops.matmul(message, transforms[number])
            scores = scores + message
        return scores

    if keras.backend.backend() == "jax":
        # One step is compiled, not all of them.
        return ops.fori_loop(0, iterations, lambda _, x: step(x), logits)
    scores = logits
    for _ in range(iterations):
        scores = step(scores)
    return scores


def penalties_of(compatibility, classes):
    """Returns the penalties for pairs, which have no order: `(μ + μᵀ) / 2`.

    Raises:
        ValueError: If `compatibility` is not a `(classes, classes)` matrix.
    """
    penalties = ops.convert_to_tensor(compatibility, "float32")
    if tuple(penalties.shape) != (classes, classes):
        raise ValueError(
            "`compatibility` must be a matrix of penalties "
            f"{(classes, classes)}. Received: shape {tuple(penalties.shape)}"
        )
    return (penalties + ops.transpose(penalties)) / 2


def check_shapes(image, logits):
    """Raises a `ValueError` if the shapes of an image and scores don't fit.

    None is a size known only at run time.
    """
    fits = len(image) == len(logits) and len(image) in (3, 4)
    for one, other in zip(image[:-1], logits[:-1], strict=False):
        fits = fits and (one is None or other is None or one == other)
    if not fits:
        raise ValueError(
            "The image and the scores must be (height, width, channels) and "
            "(height, width, classes), or batches of these, of one size. "
            f"Received: image of shape {tuple(image)}, scores of shape "
            f"{tuple(logits)}"
        )
    if logits[-1] is None or logits[-1] < 2:
        raise ValueError(
            "There must be scores of at least two classes; beside the logit "
            "of one class, that of the others is 0. "
            f"Received: scores of shape {tuple(logits)}"
        )


def _check_values(name, values, least=None):
    """Raises a `ValueError` for NaN and the like, where values are known."""
    if not backend_filter().is_known(values):
        return
    values = ops.stop_gradient(values)
    lowest, highest = float(ops.min(values)), float(ops.max(values))
    finite = np.isfinite(lowest) and np.isfinite(highest)
    if not finite or (least is not None and lowest < least):
        allowed = "finite" if least is None else f"finite, at least {least}"
        raise ValueError(
            f"`{name}` must be {allowed}. Received: values from {lowest} to "
            f"{highest}"
        )
