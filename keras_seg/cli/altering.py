"""Options that change a network before it predicts: scales, mirror, …"""

import contextlib
from typing import Annotated
from typing import Any

import typer

from keras_seg.cli import console

__all__ = [
    "FOR_KERAS",
    "PLAIN",
    "Crf",
    "Mirror",
    "OutputStride",
    "Scales",
    "altered",
    "spelled_out",
]

# The arguments of `altered` that leave a network as it is.
PLAIN = {"scales": (1.0,), "mirror": False, "output_stride": None, "crf": False}
# What an exported network is refused with.
FOR_KERAS = "is for a Keras model, not for an exported one."

Scales = Annotated[
    str,
    typer.Option(
        metavar="SCALE,...",
        help="Look at each image at several scales, such as 0.5,1,1.5.",
    ),
]

Mirror = Annotated[
    bool, typer.Option("--mirror", help="Look at it mirrored, too.")
]

OutputStride = Annotated[
    int | None,
    typer.Option(
        help="Denser maps than in training, such as 8.", show_default=False
    ),
]

Crf = Annotated[
    bool,
    typer.Option("--crf", help="Refine borders by a fully connected CRF."),
]


def altered(
    model: Any,
    scales: tuple[float, ...],
    mirror: bool,
    output_stride: int | None,
    crf: bool,
    dropout_samples: int | None = None,
) -> Any:
    """Applies the options of prediction to a Keras model."""
    from keras_seg import surgery
    from keras_seg.inference.scores import warn_of_weights
    from keras_seg.score_form import known_facts
    from keras_seg.surgery.tta import without_shrinking

    # Before surgery, which folds some of the weights into others.
    with console.warnings_as_lines(UserWarning):
        warn_of_weights(model)
    temperature = known_facts(model).get("temperature")
    model, longest_side = without_shrinking(model)
    if output_stride is not None:
        model = surgery.set_output_stride(model, output_stride)
    with contextlib.suppress(ValueError):  # A model without a graph.
        model = surgery.fold_batch_norm(model)
    if dropout_samples is not None:
        model = surgery.sample_dropout(model, dropout_samples)
    if scales != (1.0,) or mirror:
        model = surgery.average_views(model, scales, mirror)
    if longest_side is not None:
        model = surgery.shrink_input(model, longest_side)
    model = surgery.add_crf(model) if crf else model
    if temperature and not known_facts(model).get("temperature"):
        console.warn(
            "The temperature of the run is left out: it was measured without "
            "these options."
        )
    return model


def spelled_out(views: dict[str, Any]) -> list[str]:
    """The arguments of `altered` that change something, as options.

    >>> spelled_out({**PLAIN, "scales": (1.0, 1.5), "mirror": True})
    ['--scales 1,1.5', '--mirror']
    """
    found = []
    for name, value in views.items():
        if value == PLAIN[name]:
            continue
        if isinstance(value, tuple):
            value = ",".join(f"{x:g}" for x in value)
        option = f"--{name.replace('_', '-')}"
        found.append(option if value is True else f"{option} {value}")
    return found
