"""`keras-seg doctor`: what is installed, what is missing, what is faulty."""

import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING
from typing import Annotated
from typing import Any
from typing import NamedTuple

import typer

import keras_seg
from keras_seg.cli import console
from keras_seg.cli.start import BACKENDS
from keras_seg.cli.start import install_command
from keras_seg.cli.start import use_backend
from keras_seg.environment import devices
from keras_seg.environment import version_of

if TYPE_CHECKING:
    from packaging.requirements import Requirement

__all__ = ["FAULTS", "Fault", "doctor", "extras"]

# Extras for work on keras_seg itself.
_DEVELOPMENT = {"test", "test-weights", "lint", "docs", "crf-oracle"}


class Fault(NamedTuple):
    """A known fault of a version of Keras.

    `backend` is None where it shows on all of them.
    """

    versions: str
    backend: str | None
    fault: str
    guard: str


FAULTS = (
    Fault(
        "<=3.15.1",
        "tensorflow",
        "keras.ops.image.resize cannot take a size that is known at run time "
        "only",
        "keras_seg.ops.resize can, and all networks use it",
    ),
    Fault(
        "<=3.15.1",
        "tensorflow",
        "Conv2D with data_format='channels_first' adds the bias along the "
        "width where a map is as wide as it has channels",
        "keras_seg.layers.Conv adds it along the channels",
    ),
    Fault(
        "<=3.15.1",
        None,
        "Resizing inside a network puts the layers after it into training mode",
        "no network of keras_seg has one; keras_seg.layers.ResizeLike resizes",
    ),
    Fault(
        "<=3.15.1",
        None,
        "keras.metrics.MeanIoU drops predictions of ids out of range",
        "keras_seg.metrics.MeanIoU is NaN then",
    ),
    Fault(
        "<=3.15.1",
        None,
        "fit(class_weight=...) fails with masks",
        "keras_seg.losses.CrossEntropy(class_weights=...)",
    ),
    Fault(
        "<=3.15.1",
        None,
        "keras.callbacks.BackupAndRestore deletes its folder when fit ends",
        "keras-seg train --resume keeps the run folder",
    ),
    Fault(
        "<=3.15.1",
        "torch",
        "SparseCategoricalCrossentropy of probabilities fails in fit",
        "networks of keras_seg return logits, which its losses take",
    ),
)


def doctor(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object.")
    ] = False,
) -> None:
    """Say what is installed and what is missing, and try it.

    Python, Keras and its backend, devices, extras, known faults of this
    version of Keras and what guards against each. A small network is built,
    trained and run, as a check of the installation.
    """
    use_backend()

    import keras
    from packaging.specifiers import SpecifierSet

    backend = keras.backend.backend()
    facts: dict[str, Any] = {
        "keras_seg": keras_seg.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "keras": keras.__version__,
        "backend": backend,
        "devices": devices(),
        "backends": {name: version_of(name) for name in BACKENDS},
        "extras": dict(extras()),
        "faults": [
            fault._asdict()
            for fault in FAULTS
            if fault.backend in (None, backend)
            and keras.__version__ in SpecifierSet(fault.versions)
        ],
        "seconds": round(_try_out(), 2),
    }
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    for line in _lines(facts):
        console.say(line)


def extras() -> Iterator[tuple[str, list[str]]]:
    """Yields each extra of keras-seg and what is missing for it.

    Nothing where keras-seg itself was not installed but found on the path.
    """
    from packaging.requirements import Requirement

    try:
        distribution = importlib.metadata.metadata("keras-seg")
    except importlib.metadata.PackageNotFoundError:
        return
    needs = [
        Requirement(text) for text in distribution.get_all("Requires-Dist", [])
    ]
    for extra in sorted(distribution.get_all("Provides-Extra", [])):
        if extra in _DEVELOPMENT or extra in BACKENDS:
            continue
        yield (
            extra,
            [
                f"{need.name}{need.specifier}"
                for need in needs
                if need.marker is not None
                and need.marker.evaluate({"extra": extra})
                and not need.marker.evaluate({"extra": ""})
                and not _is_there(need)
            ],
        )


def _is_there(need: "Requirement") -> bool:
    version = version_of(need.name)
    return version is not None and need.specifier.contains(
        version, prereleases=True
    )


def _try_out() -> float:
    """Builds, trains and runs a small network; returns the seconds it took."""
    import numpy as np

    from keras_seg import inference
    from keras_seg import losses
    from keras_seg.applications import UNet
    from keras_seg.data import synthetic

    begin = time.monotonic()
    images, masks = synthetic.membranes(2, size=64)
    model = UNet(classes=2, filters=4, depth=2)
    model.compile("adam", losses.CrossEntropy())
    loss = model.train_on_batch(images, masks)
    found = inference.predict(model, images[0])
    if not np.isfinite(loss) or found.shape != masks[0].shape:
        raise ValueError(
            f"A small network does not work here: its loss is {loss}, its "
            f"mask {found.shape}. Fix: install Keras and its backend again."
        )
    return time.monotonic() - begin


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    yield (
        f"keras-seg {facts['keras_seg']}, Python {facts['python']}, "
        f"{facts['platform']}, {facts['cpus']} CPUs"
    )
    yield (
        f"Keras {facts['keras']} on {facts['backend']}, devices: "
        f"{', '.join(facts['devices'])}"
    )
    yield (
        f"A small network was built, trained and run in {facts['seconds']} s: "
        "the installation works."
    )
    yield ""
    yield "Backends (KERAS_BACKEND chooses one):"
    for name, version in facts["backends"].items():
        yield f"  {name:<12}{version or install_command(name)}"
    yield ""
    yield "Extras:" if facts["extras"] else "Extras: not known."
    for name, missing in facts["extras"].items():
        state = "installed"
        if missing:
            state = (
                f"missing {', '.join(missing)}. Fix: {install_command(name)}"
            )
        yield f"  {name:<12}{state}"
    if facts["faults"]:
        yield ""
        yield f"Known faults of Keras {facts['keras']}, and what guards:"
    for fault in facts["faults"]:
        yield f"  {fault['fault']}:"
        yield f"    {fault['guard']}."
