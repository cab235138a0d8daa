"""Compares the scores of an exported network with those of its model."""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from keras_seg.deployment.exported import ExportedModel
from keras_seg.deployment.formats import ExportError
from keras_seg.deployment.formats import first_line
from keras_seg.inference.scores import predict_scores
from keras_seg.score_form import ScoreForm

__all__ = ["Agreement", "compare", "probe_images"]

LARGEST_DIFFERENCE = 1e-3
# Odd and even, wide and high, none a multiple of a stride.
_SIZES = ((97, 130), (128, 97), (161, 159))


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How closely two networks agree on one image.

    Args:
        size: pair of ints, height and width of the image.
        same_class: float, share of the pixels that get the same class.
        difference: float, the largest difference of two scores; of a file
            that returns ids, by how much the score of another class than the
            model's is smaller.
        scale: float, the largest absolute score of the model.
    """

    size: tuple[int, int]
    same_class: float
    difference: float
    scale: float


def probe_images(
    size: tuple[int, int] | None,
    channels: int,
    longest_side: int | None = None,
) -> list[NDArray[np.float32]]:
    """Makes three smooth images in 0...255, of three sizes without `size`.

    The last is larger than a model's `longest_side`.
    """
    sizes = [size] * 3 if size else list(_SIZES)
    if longest_side and not size:
        sizes[2] = longest_side + 61, 2 * longest_side
    generator = np.random.default_rng(0)
    images = []
    for height, width in sizes:
        grid = generator.uniform(0, 255, (9, 9, channels))
        rows = np.linspace(0, 8, height).astype(int)
        columns = np.linspace(0, 8, width).astype(int)
        noise = generator.normal(0, 10, (height, width, channels))
        image = grid[rows][:, columns] + noise
        images.append(image.clip(0, 255).astype("float32"))
    return images


def compare(
    model: keras.Model,
    exported: ExportedModel,
    images: Sequence[NDArray],
    form: ScoreForm,
    exact: bool = True,
) -> list[Agreement]:
    """Predicts images with both networks and compares their scores.

    `form` is that of the model's scores, of which follow, outside of a graph,
    the ids or the probabilities that the file has to return.

    With `exact`, scores may differ only by rounding: by `LARGEST_DIFFERENCE`,
    relative to the largest score if that is above 1. An `ExportError` is raised
    if they differ by more, or if the file cannot be run.
    """
    found = []
    gives = exported.metadata.gives
    their_form = ScoreForm.of(exported, exported.from_logits is not False)
    for image in images:
        size = image.shape[:2]
        ours = predict_scores(model, image[None])
        try:
            theirs = predict_scores(exported, image[None])
        except Exception as error:
            raise ExportError(
                f"{exported.path.name} can't be run at {size[0]}×{size[1]}: "
                f"{first_line(error)}. Nothing was written."
            ) from error
        ids, their_ids = form.ids_of(ours), their_form.ids_of(theirs)
        if gives == "probabilities":
            ours = form.probabilities_of(ours)[..., -theirs.shape[-1] :]
        shape = (*ours.shape[:3], their_form.scores)
        if theirs.shape != shape or not np.isfinite(theirs).all():
            raise ExportError(
                f"{exported.path.name} does not say what the model says: at "
                f"{size[0]}×{size[1]} its scores are of shape {theirs.shape}, "
                f"of the model {shape}, and "
                f"{np.isfinite(theirs).mean():.0%} of them are finite. "
                "Nothing was written."
            )
        same = ids == their_ids
        differences = (
            _given_away(form, ours, their_ids)[~same]
            if gives == "ids"
            else np.abs(ours - theirs)
        )
        result = Agreement(
            size,
            float(same.mean()),
            float(differences.max(initial=0)),
            float(np.abs(ours).max()),
        )
        found.append(result)
        limit = LARGEST_DIFFERENCE * max(1.0, result.scale)
        if exact and not result.difference <= limit:
            raise ExportError(
                f"{exported.path.name} does not say what the model says: at "
                f"{size[0]}×{size[1]} scores differ by up to "
                f"{result.difference:.2g}, and {same.mean():.2%} of the "
                "pixels get the same class. Nothing was written."
            )
    return found


def _given_away(form: ScoreForm, scores: NDArray, ids: NDArray) -> NDArray:
    """By how much the scores of other ids miss those of the right ones."""
    if form.by_threshold:
        margin = np.abs(scores - form.limits)
        return margin if form.multi_label else margin[..., 0]
    chosen = np.take_along_axis(scores, ids[..., None], -1)
    return scores.max(axis=-1) - chosen[..., 0]
