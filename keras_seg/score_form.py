"""What the scores of a model say of a pixel: one class, or several labels."""

import dataclasses
from collections.abc import Sequence
from typing import Any
from typing import Self

import numpy as np
from numpy.typing import NDArray

from keras_seg.from_logits import ends_in_sigmoid
from keras_seg.from_logits import resolve_from_logits

__all__ = [
    "ScoreForm",
    "how_read",
    "is_multi_label",
    "known_facts",
    "number_of_classes",
    "score_thresholds",
]


def score_thresholds(
    threshold: float | Sequence[float], from_logits: bool
) -> NDArray[np.float32]:
    """The scores above which a label is there, from probabilities.

    Raises a `ValueError` for what is no probability.

    Example:

    >>> score_thresholds([0.5, 0.75], from_logits=True).round(4).tolist()
    [0.0, 1.0986...]
    """
    values = np.asarray(threshold, "float64")
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(
            "`threshold` must be a probability of 0...1, or one for each "
            f"label. Received: threshold={threshold!r}"
        )
    if from_logits:
        with np.errstate(divide="ignore"):
            values = np.log(values) - np.log1p(-values)
    return values.astype("float32")


@dataclasses.dataclass(frozen=True)
class ScoreForm:
    """How class ids and probabilities follow from the scores of a pixel.

    | scores | ids | probabilities |
    |---|---|---|
    | one of several | the class with the largest | their softmax |
    | one | 1 above the threshold, else 0 | of the classes 0 and 1 |
    | labels | each 1 above its threshold, else 0 | of each label |

    Attributes:
        scores: int, their number; 0 if that is not known before prediction.
        multi_label: bool, whether each is of a label of its own.
        from_logits: bool; None if it is not known and does not matter.
        threshold: float, or a tuple with one for each label: probabilities.
        least: optional float, the smallest probability of an id; pixels that
            are less sure are void.
        temperature: float, what logits are divided by for probabilities.
    """

    scores: int
    multi_label: bool = False
    from_logits: bool | None = True
    threshold: float | tuple[float, ...] = 0.5
    least: float | None = None
    temperature: float = 1.0

    @classmethod
    def of(
        cls,
        model: Any,
        from_logits: bool | None = None,
        certain: bool = False,
    ) -> Self:
        """The form of a model's first output.

        Args:
            model: `keras.Model` or `keras_seg.deployment.ExportedModel`.
            from_logits: optional bool, what the graph does not say.
            certain: bool, whether `from_logits` must be known, as it must be
                where a threshold decides.

        Raises:
            ValueError: If `from_logits` is not known, or contradicts the
                graph, or an exported model has ids only.
        """
        if certain and getattr(model, "gives_ids", False):
            raise ValueError(
                f"{model.path} returns class ids, and no probabilities. Fix: "
                "export the network again with --output probabilities, or "
                "without --output."
            )
        scores = _number_of_scores(model)
        multi_label = is_multi_label(model)
        if multi_label or scores == 1 or certain:
            from_logits = resolve_from_logits(model, from_logits)
        facts = known_facts(model)
        threshold, temperature = (
            facts.get("threshold"),
            facts.get("temperature"),
        )
        if threshold is None:
            threshold = 0.5
        if isinstance(threshold, list):
            threshold = tuple(threshold)
        return cls(
            scores,
            multi_label,
            from_logits,
            threshold,
            temperature=temperature or 1.0,
        )

    @property
    def by_threshold(self) -> bool:
        """Whether thresholds decide, not the largest score."""
        return self.multi_label or self.scores == 1

    @property
    def limits(self) -> NDArray[np.float32]:
        """The scores above which a label is there."""
        return score_thresholds(self.threshold, bool(self.from_logits))

    def ids_of(self, scores: NDArray) -> NDArray:
        """Class ids `(...)`, or 0 and 1 for each label `(..., labels)`.

        In the smallest unsigned integers; of equal scores the first class.

        Example:

        >>> ScoreForm(1).ids_of(np.array([[-0.1], [0.1]])).tolist()
        [0, 1]
        >>> sure = ScoreForm(1, from_logits=False, least=0.9)
        >>> sure.ids_of(np.array([[0.05], [0.5], [0.9]])).tolist()
        [0, 255, 1]
        """
        ids = self._best(scores)
        if self.least is None:
            return ids
        # Help is printed without what reads images.
        from keras_seg.data import VOID

        found = self.probabilities_of(scores)
        if self.multi_label:
            found = np.where(ids == 1, found, 1 - found)
        else:
            found = np.take_along_axis(found, ids[..., None], -1)[..., 0]
        return np.where(found >= self.least, ids, np.uint8(VOID))

    def _best(self, scores: NDArray) -> NDArray:
        if not self.by_threshold:
            few = scores.shape[-1] <= 256
            return scores.argmax(axis=-1).astype("uint8" if few else "uint16")
        found = (scores > self.limits).astype("uint8")
        return found if self.multi_label else found[..., 0]

    def probabilities_of(self, scores: NDArray) -> NDArray:
        """Probabilities `(..., classes)`, at least float32.

        Example:

        >>> ScoreForm(1).probabilities_of(np.array([[0.0]])).tolist()
        [[0.5, 0.5]]
        """
        scores = scores.astype(np.result_type(scores.dtype, "float32"))
        from_logits = self.from_logits
        if self.temperature != 1:
            scores, from_logits = (
                self.logits_of(scores) / self.temperature,
                True,
            )
        if self.scores == 1 and not self.multi_label:
            p = _sigmoid(scores) if from_logits else scores
            return np.concatenate([1 - p, p], axis=-1)
        if not from_logits:
            return scores
        if self.multi_label:
            return _sigmoid(scores)
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return scores / scores.sum(axis=-1, keepdims=True)

    def logits_of(self, scores: NDArray) -> NDArray:
        """Logits, at least float32: probabilities of 0 and 1 have finite ones.

        Example:

        >>> ScoreForm(1, from_logits=False).logits_of(np.array([0.5])).tolist()
        [0.0]
        """
        scores = scores.astype(np.result_type(scores.dtype, "float32"))
        if self.from_logits:
            return scores
        least = np.finfo("float32").eps
        if self.by_threshold:
            p = np.clip(scores, least, 1 - least)
            return np.log(p) - np.log1p(-p)
        return np.log(np.maximum(scores, least))


def known_facts(model: Any) -> dict[str, Any]:
    """Returns the facts that a model carries, see `layers.metadata`.

    An exported one has them as attributes, and is run without Keras.
    """
    if hasattr(model, "from_logits"):
        names = "multi_label", "threshold", "temperature", "bit_depth", "bands"
        facts = {name: getattr(model, name, None) for name in names}
        return {k: v for k, v in facts.items() if v is not None}
    if not hasattr(model, "layers"):
        return {}
    from keras_seg.layers.metadata import facts_of

    return facts_of(model) or {}


def how_read(
    model: Any,
    bit_depth: int | None = None,
    bands: Sequence[int | str] | None = None,
) -> tuple[int | None, tuple[int | str, ...] | None]:
    """How files of images are read: as asked for, or as the model knows."""
    facts = known_facts(model)
    if bit_depth is None:
        bit_depth = facts.get("bit_depth")
    bands = facts.get("bands") if bands is None else bands
    return bit_depth, None if bands is None else tuple(bands)


def is_multi_label(model: Any) -> bool:
    """Whether each score of a model is that of a label of its own.

    By its facts, see `keras_seg.layers.metadata`; else if it ends in a sigmoid
    of several scores.

    Example:

    >>> from keras_seg.applications import UNet
    >>> model = UNet(classes=3, filters=4, classifier_activation="sigmoid")
    >>> is_multi_label(model), is_multi_label(UNet(classes=3, filters=4))
    (True, False)
    """
    known = known_facts(model).get("multi_label")
    if known is None:
        return _number_of_scores(model) > 1 and ends_in_sigmoid(model)
    return bool(known)


def number_of_classes(model: Any) -> int:
    """The number of a model's classes, of which one score tells two apart.

    Example:

    >>> from keras_seg.applications import UNet
    >>> number_of_classes(UNet(classes=1, filters=4))
    2
    """
    scores = _number_of_scores(model)
    return 2 if scores == 1 and not is_multi_label(model) else scores


def _number_of_scores(model: Any) -> int:
    shape = getattr(model, "output_shape", None)
    if isinstance(shape, list):
        shape = shape[0]
    # A subclass has no graph, that says the shape.
    return (shape[-1] or 0) if isinstance(shape, tuple) else 0


def _sigmoid(z: NDArray) -> NDArray:
    return (1 + np.tanh(z / 2)) / 2
