"""Losses by name, as `--loss` and `Settings.loss` give them."""

import inspect
from collections.abc import Callable
from collections.abc import Sequence

import keras

from keras_seg.losses.combined import Sum
from keras_seg.losses.cross_entropy import CrossEntropy
from keras_seg.losses.cross_entropy import Focal
from keras_seg.losses.hard_examples import OnlineHardExamples
from keras_seg.losses.lovasz import LovaszSoftmax
from keras_seg.losses.tversky import Dice
from keras_seg.losses.tversky import Tversky
from keras_seg.words import did_you_mean

__all__ = ["LOSSES", "named", "terms_of"]

LOSSES: dict[str, Callable[..., keras.losses.Loss]] = {
    "cross_entropy": CrossEntropy,
    "dice": Dice,
    "focal": Focal,
    "lovasz": LovaszSoftmax,
    "tversky": Tversky,
    "ohem": OnlineHardExamples,
}


def terms_of(name: str) -> list[str]:
    """Returns the names in a sum such as `"cross_entropy+dice"`.

    Args:
        name: str.

    Returns:
        List of keys of `LOSSES`.

    Raises:
        ValueError: If there is no such loss.

    Example:

    >>> terms_of("cross_entropy+dice")
    ['cross_entropy', 'dice']
    """
    terms = [term.strip() for term in str(name).split("+")]
    for term in terms:
        if term not in LOSSES:
            raise ValueError(
                f"`loss` must be one of {', '.join(LOSSES)}, or several "
                f"joined by +, such as cross_entropy+dice."
                f"{did_you_mean(term, LOSSES)} Received: loss={name!r}"
            )
    return terms


def named(
    name: str,
    *,
    ignore_class: int | None = 255,
    class_weights: Sequence[float] | dict[int, float] | None = None,
    from_logits: bool = True,
) -> keras.losses.Loss:
    """Returns a loss by its name, or the sum of several.

    | name | loss |
    | --- | --- |
    | `"cross_entropy"` | `CrossEntropy` |
    | `"dice"` | `Dice` |
    | `"focal"` | `Focal` |
    | `"lovasz"` | `LovaszSoftmax` |
    | `"tversky"` | `Tversky` |
    | `"ohem"` | `OnlineHardExamples` |

    Each has its default arguments, and each term of a sum a weight of 1.

    Args:
        name: str, such as `"cross_entropy+dice"`.
        ignore_class: int, the label of void pixels, or None for none.
            Defaults to 255.
        class_weights: one a class, see `CrossEntropy`, for each term that
            takes weights. Defaults to None, all 1.
        from_logits: bool, see `CrossEntropy`. Defaults to True.

    Returns:
        `keras.losses.Loss`.

    Raises:
        ValueError: If there is no such loss, or no term takes class weights.

    Example:

    >>> from keras_seg import losses
    >>> [loss.name for loss in losses.named("cross_entropy+dice").losses]
    ['cross_entropy', 'dice']
    """
    found = []
    weighted = False
    for term in terms_of(name):
        loss = LOSSES[term]
        options: dict = {}
        if "class_weights" in inspect.signature(loss).parameters:
            options["class_weights"] = class_weights
            weighted = True
        options["from_logits"] = from_logits
        found.append(loss(ignore_class=ignore_class, **options))
    if class_weights is not None and not weighted:
        raise ValueError(
            "`class_weights` are weights of cross_entropy, focal and ohem; "
            f"the others count classes, not pixels. Received: loss={name!r}"
        )
    return found[0] if len(found) == 1 else Sum(found)
