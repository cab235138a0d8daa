"""Metadata of exported networks: classes, sizes, versions."""

import dataclasses
import json
import math
import os
import pathlib
from typing import Any
from typing import Self

from keras_seg.data import ClassTable
from keras_seg.data.bands import check_bands
from keras_seg.data.text import json_integer
from keras_seg.data.text import json_text
from keras_seg.deployment.formats import LAYOUTS
from keras_seg.deployment.formats import OUTPUTS
from keras_seg.deployment.formats import ExportError
from keras_seg.score_form import score_thresholds

__all__ = ["ExportMetadata", "metadata_path", "output_name"]

# Far more than 255 classes take.
LARGEST = 1 << 20
_AXES = {
    "nhwc": ("batch", "height", "width", "{}"),
    "nchw": ("batch", "{}", "height", "width"),
}


@dataclasses.dataclass(frozen=True)
class ExportMetadata:
    """The metadata in an exported file, `ExportedModel.metadata`.

    Args:
        model: str, the name of the network.
        format: str, the name of the format.
        class_table: `keras_seg.data.ClassTable`.
        size: pair of ints or None, height and width where the network takes
            one size only.
        channels: int, of the images.
        quantization: str or None.
        version: str, of keras_seg.
        backend: str, the one that wrote it.
        bit_depth: int or None, of the 16-bit images it was trained on.
        longest_side: int or None, the side to which it shrinks images.
        from_logits: bool, whether it returns logits or probabilities;
            None if that is not known.
        scores: int, how many it returns for a pixel: 1 where that of the
            second of two classes is enough, else one a class. Defaults to
            None, one a class.
        multi_label: bool, whether the classes are labels that do not exclude
            each other. Defaults to False.
        threshold: float or list of one for each label, the probability above
            which it is there. Defaults to None, where the largest score
            decides.
        temperature: float, what logits are divided by for calibrated
            probabilities. Defaults to None, 1.
        gives: str, `"ids"`, `"probabilities"`, `"logits"`, or, the default,
            `"scores"`: what the model returns.
        layout: str, `"nchw"` where the channels of the image and of the
            output come first. Defaults to `"nhwc"`.
        bands: tuple or None, of the images it was trained on, numbers from 1
            and names.
    """

    model: str
    format: str
    class_table: ClassTable
    size: tuple[int, int] | None
    channels: int
    quantization: str | None
    version: str
    backend: str
    bit_depth: int | None = None
    from_logits: bool | None = None
    longest_side: int | None = None
    scores: int | None = None
    multi_label: bool = False
    threshold: float | list[float] | None = None
    temperature: float | None = None
    gives: str = "scores"
    layout: str = "nhwc"
    bands: tuple[int | str, ...] | None = None

    @property
    def output_name(self) -> str:
        """The name of the output, `"ids"` or `"scores"`."""
        return output_name(self.gives)

    def axes(self, channels: str) -> tuple[str, ...]:
        """Names of the axes of a batch; `""` for channels leaves them out."""
        names = (name.format(channels) for name in _AXES[self.layout])
        return tuple(name for name in names if name)

    @property
    def output_axes(self) -> tuple[str, ...]:
        """Names of the axes of the output."""
        several = self.gives != "ids" or self.multi_label
        return self.axes("scores" if several else "")

    def to_json(self) -> str:
        """Returns the metadata as JSON, with input and output described."""
        known = dataclasses.asdict(self)
        del known["class_table"]
        known |= self.class_table.to_dict()
        kind = "uint8 or int32" if self.gives == "ids" else "float32"
        bands = "RGB"
        if self.bands is not None:
            bands = f"bands {', '.join(map(str, self.bands))}"
        known |= {
            "input": f"float32 ({', '.join(self.axes('channels'))}), {bands} "
            "in 0...255",
            "output": f"{kind} ({', '.join(self.output_axes)}), the size of "
            "the image",
            "ids": self._ids(),
        }
        return json.dumps(known, indent=2)

    def _ids(self) -> str:
        """A sentence on how class ids follow from the output."""
        if self.gives == "ids":
            return "the output"
        if self.threshold is None:
            return "the class with the largest score"
        limits = score_thresholds(self.threshold, self.from_logits is not False)
        of = "of each label" if self.multi_label else "of the score"
        return f"{of} 1 if it is above {limits.tolist()}, else 0"

    @classmethod
    def from_json(cls, text: str | bytes, path: str | os.PathLike) -> Self:
        """Reads the metadata of the network at `path` and checks every value.

        Raises an `ExportError` if one is missing or of the wrong type.
        """
        try:
            if len(text) > LARGEST:
                raise ValueError(f"{len(text)} bytes")
            return cls(**_checked(json.loads(text)))
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise ExportError(
                f"{path} was not exported by keras_seg, or what it says of "
                f"its classes is damaged ({type(error).__name__}: {error}). "
                "Fix: export the network again."
            ) from None


def _checked(known: dict[str, Any]) -> dict[str, Any]:
    size = known["size"]
    if size is not None:
        height, width = (json_integer(n, 1 << 31) for n in size)
        size = height, width
    quantization = known["quantization"]
    bit_depth = known.get("bit_depth")
    longest_side = known.get("longest_side")
    from_logits = known.get("from_logits")
    multi_label = known.get("multi_label", False)
    bands = known.get("bands")
    check_bands(bands)
    if from_logits not in (True, False, None):
        raise TypeError(f"{from_logits!r:.40} is no bool")
    if multi_label not in (True, False):
        raise TypeError(f"{multi_label!r:.40} is no bool")
    threshold, scores = known.get("threshold"), known.get("scores")
    if threshold is not None and score_thresholds(threshold, True).ndim > 1:
        raise ValueError(f"{threshold!r:.40} is no threshold")
    gives, layout = known.get("gives", "scores"), known.get("layout", "nhwc")
    for value, allowed in (gives, OUTPUTS), (layout, LAYOUTS):
        if value not in allowed:
            raise ValueError(f"{value!r:.40} is none of {allowed}")
    temperature = known.get("temperature")
    if temperature is not None and not 0 < temperature < math.inf:
        raise ValueError(f"{temperature!r:.40} is no temperature")
    return {
        "gives": gives,
        "layout": layout,
        "temperature": temperature,
        "multi_label": bool(multi_label),
        "threshold": threshold,
        "scores": None if scores is None else json_integer(scores, 1 << 16),
        "class_table": ClassTable.from_dict(known),
        "size": size,
        "bands": None if bands is None else tuple(bands),
        "bit_depth": bit_depth and json_integer(bit_depth, 16),
        "longest_side": longest_side and json_integer(longest_side, 1 << 31),
        "channels": json_integer(known["channels"], 1 << 16),
        "from_logits": from_logits,
        "quantization": quantization and json_text(quantization),
    } | {
        name: json_text(known[name])
        for name in ("model", "format", "version", "backend")
    }


def output_name(gives: str) -> str:
    """The name of the output of a file that gives ids, or scores of a kind."""
    return "ids" if gives == "ids" else "scores"


def metadata_path(path: str | os.PathLike) -> pathlib.Path:
    """The file of metadata beside a network, or inside the folder of one.

    Example:

    >>> metadata_path("model.tflite").name
    'model.tflite.json'
    """
    path = pathlib.Path(path)
    if not path.suffix:
        return path / "keras_seg.json"
    return path.with_name(f"{path.name}.json")
