"""The settings of one training run: a frozen dataclass, a JSON file."""

import dataclasses
import json
from typing import Any
from typing import Self

from keras_seg.arguments import check_one_of
from keras_seg.arguments import check_share
from keras_seg.data.augment import named
from keras_seg.losses.class_weights import RULES
from keras_seg.losses.named import terms_of
from keras_seg.words import did_you_mean

__all__ = ["OPTIMIZERS", "PRECISIONS", "THRESHOLDS", "TRACKERS", "Settings"]

OPTIMIZERS = ("adamw", "sgd")
PRECISIONS = ("float32", "mixed_bfloat16")
THRESHOLDS = ("iou", "f1", "mean_iou", "accuracy")
TRACKERS = ("csv", "tensorboard", "wandb", "mlflow")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a run was trained with, besides its data.

    Args:
        model: str, the name of a builder of `keras_seg.applications`; case
            does not count.
        backbone: str, a name of `keras.applications`, the path of a `.keras`
            file with a classifier of one's own and its weights, or `None` for
            a model with an encoder of its own.
        weights: `None` for random weights, `"imagenet"`, or the path of a
            file with the weights of the backbone. `None` with a `.keras` file.
        options: dict, further arguments of the builder.
        start_from: a network that is trained on for other classes, in place
            of a `model` and its `backbone`, `weights` and `options`, which
            are then None and empty: the path of a run folder or of a
            `.keras` file, `"hf://user/name"` of the Hub, or else a name of
            `keras_seg.pretrained`.
        epochs: int, after each of which the model is validated and saved.
        repeat: int, how often an epoch goes through the images.
        batch_size: int.
        validation_batch_size: int; used where all validation images have
            one size. Images of different sizes go one by one.
        size: optional int, the longest side in pixels to which larger images
            are shrunk; `None` leaves them as they are. The saved model does
            it by itself, see `keras_seg.surgery.shrink_input`.
        crop: optional int or tuple (height, width), the size of a random
            crop.
        scale: optional tuple (low, high) of a random factor; needs `crop`.
        flip: bool, mirror every second image.
        augment: str, list or dict, the transforms by strength or name, see
            `keras_seg.data.augment.named`.
        loss: str, a name of `keras_seg.losses.named`, or several joined by
            `+`, such as `"cross_entropy+dice"`.
        binary: bool, one score a pixel for data of two classes, background
            and object, in place of two.
        threshold: str, the metric by which the threshold of `binary`, or
            those of labels, are found on the validation images at the end,
            see `keras_seg.inference.tune_threshold`; `None` for 0.5. Needs a
            run folder.
        class_weights: a rule of `keras_seg.losses.class_weights`, or a dict
            of weights by name; `None` for 1 each.
        optimizer: str, `"adamw"` or `"sgd"`, which has a momentum of 0.9.
        learning_rate: float, of the first step; it falls to 0.
        backbone_rate: float, the factor of the learning rate of the layers of
            the backbone, with `start_from` of all but the new class scores;
            or `None` for 0.1 where they are pretrained, 1 otherwise.
        weight_decay: float, of the optimizer, decoupled from its gradients.
        accumulate: int, batches in an update; fewer at the end of training
            make none.
        ema: optional float, the momentum of a moving average of the weights,
            such as 0.99, which is validated and saved in place of them.
        patience: optional int, epochs without a better model after which
            training ends; `None` for all epochs.
        teacher: optional str, a run folder, a `.keras` file of it, or
            `"hf://user/name"`: a network of the same classes that this one
            learns from, too, see `keras_seg.training.distill`.
        temperature: float, of the teacher.
        teacher_weight: float from 0 to 1, the share of the teacher in the
            loss.
        precision: optional str, `"float32"`, or `"mixed_bfloat16"`, which
            computes in half of the memory where the device can; logits and
            loss stay float32. `None` for the dtype policy of Keras.
        workers: optional int, threads that read images; `None` for one more
            than there are CPUs. No result depends on it.
        freeze_batch_norm: bool, whether the batch norm of the backbone keeps
            its statistics, or `None` for yes with a pretrained one, no
            otherwise. See `keras_seg.training.freeze_batch_norm`.
        track: tuple of strs, or a str with commas, of what the run is written
            to: `"csv"` is `history.csv` and `class_history.csv`, which every
            run has; `"tensorboard"`, `"wandb"` and `"mlflow"` need the extra
            `track` and a run folder.
        seed: int, 0 or more, of weights, order and augmentation.

    Raises:
        ValueError: for values that can't be, naming them.

    Example:

    >>> from keras_seg.runs import Settings
    >>> settings = Settings(model="fcn32s", epochs=5)
    >>> Settings.from_json(settings.to_json()) == settings
    True
    """

    model: str | None = "fcn2s"
    backbone: str | None = "mobilenet_v2"
    weights: str | None = "imagenet"
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    start_from: str | None = None
    epochs: int = 20
    repeat: int = 1
    batch_size: int = 8
    validation_batch_size: int = 4
    size: int | None = None
    crop: tuple[int, int] | None = (256, 256)
    scale: tuple[float, float] | None = (0.75, 1.5)
    flip: bool = True
    augment: str | list | dict = "standard"
    loss: str = "cross_entropy+dice"
    binary: bool = False
    threshold: str | None = None
    class_weights: str | dict[str, float] | None = None
    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    backbone_rate: float | None = None
    weight_decay: float = 1e-4
    accumulate: int = 1
    ema: float | None = None
    patience: int | None = None
    teacher: str | None = None
    temperature: float = 2.0
    teacher_weight: float = 0.5
    precision: str | None = None
    workers: int | None = None
    track: tuple[str, ...] = ("csv",)
    freeze_batch_norm: bool | None = None
    seed: int = 0

    def __post_init__(self):
        if self.start_from is not None:
            for name in ("model", "backbone", "weights"):
                object.__setattr__(self, name, None)
            object.__setattr__(self, "options", {})
        if self.backbone_file is not None and self.weights == "imagenet":
            object.__setattr__(self, "weights", None)
        for name in (
            *("epochs", "batch_size", "validation_batch_size"),
            *("accumulate", "repeat"),
        ):
            self._refuse(name, _is_int(getattr(self, name), 1), "an int >= 1")
        self._refuse("seed", _is_int(self.seed, 0), "an int >= 0")
        for name in ("size", "patience", "workers"):
            value = getattr(self, name)
            good = value is None or _is_int(value, 1)
            self._refuse(name, good, "an int >= 1, or None")
        good = self.ema is None or (_is_number(self.ema) and 0 < self.ema < 1)
        self._refuse("ema", good, "a number above 0 and below 1, or None")
        check_one_of(OPTIMIZERS, optimizer=self.optimizer)
        check_one_of((None, *PRECISIONS), precision=self.precision)
        if self.start_from is not None or self.backbone_file is not None:
            what = "None for a network from a file, which has its own"
            self._refuse("precision", self.precision is None, what)
        terms_of(self.loss)
        weights = self.class_weights
        if isinstance(weights, dict):
            good = all(map(_is_number, weights.values()))
            what = "a dict of numbers, one for the name of a class"
            self._refuse("class_weights", good, what)
        else:
            check_one_of((None, *RULES), class_weights=weights)
        self._refuse(
            "learning_rate",
            _is_number(self.learning_rate) and self.learning_rate > 0,
            "a number > 0",
        )
        self._refuse("binary", isinstance(self.binary, bool), "True or False")
        check_one_of((None, *THRESHOLDS), threshold=self.threshold)
        good = _is_number(self.temperature) and self.temperature > 0
        self._refuse("temperature", good, "a number > 0")
        check_share(teacher_weight=self.teacher_weight)
        for name in ("backbone_rate", "weight_decay"):
            value = getattr(self, name)
            unset = name == "backbone_rate" and value is None
            good = unset or (_is_number(value) and value >= 0)
            self._refuse(name, good, "a number >= 0")
        if isinstance(self.track, str):
            parts = [part.strip() for part in self.track.split(",")]
            object.__setattr__(self, "track", parts)
        what = "names with commas between them, or a list of names"
        self._refuse("track", isinstance(self.track, list | tuple), what)
        object.__setattr__(self, "track", tuple(dict.fromkeys(self.track)))
        for name in self.track:
            check_one_of(TRACKERS, track=name)
        if _is_int(self.crop, 1):
            object.__setattr__(self, "crop", (self.crop, self.crop))
        for name, good, what in (
            ("crop", lambda v: _is_int(v, 1), "(height, width) in pixels"),
            ("scale", _is_number, "(low, high) with 0 < low <= high"),
        ):
            value = getattr(self, name)
            if value is None:
                continue
            pair = isinstance(value, list | tuple) and len(value) == 2
            self._refuse(name, pair and all(map(good, value)), what)
            object.__setattr__(self, name, tuple(value))
        if self.scale is not None:
            low, high = self.scale
            what = "(low, high) with 0 < low <= high"
            self._refuse("scale", 0 < low <= high, what)
            what = "None where `crop` is None"
            self._refuse("scale", self.crop is not None, what)
        named(self.augment, crop=self.crop, scale=self.scale, flip=self.flip)

    def _refuse(self, name, good, what):
        if not good:
            raise ValueError(
                f"`{name}` must be {what}. "
                f"Received: {name}={getattr(self, name)!r}"
            )

    @property
    def backbone_file(self) -> str | None:
        """The path of the classifier, if `backbone` is not a name."""
        path = self.backbone or ""
        return path if path.endswith(".keras") else None

    def resolved(self) -> Self:
        """The same settings, with what each `None` stands for in its place.

        Example:

        >>> Settings(weights=None).resolved().freeze_batch_norm
        False
        """
        pretrained = (
            self.start_from is not None
            or self.backbone_file is not None
            or None not in (self.backbone, self.weights)
        )
        rate, freeze = self.backbone_rate, self.freeze_batch_norm
        if rate is None:
            rate = 0.1 if pretrained else 1.0
        if freeze is None:
            freeze = pretrained
        return dataclasses.replace(
            self, backbone_rate=rate, freeze_batch_norm=freeze
        )

    def to_json(self) -> str:
        """The settings as JSON text, a line each."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Settings from JSON text; what is not there has its default.

        Args:
            text: str.

        Returns:
            `Settings`.

        Raises:
            ValueError: the text is no JSON object, a key is unknown, or a
                value can't be.
        """
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"Settings are a JSON object: {error}.") from error
        if not isinstance(values, dict):
            raise ValueError(
                "Settings are a JSON object, {...}. "
                f"Received: {type(values).__name__}"
            )
        names = [field.name for field in dataclasses.fields(cls)]
        for key in values:
            if key not in names:
                raise ValueError(
                    f"There is no setting {key!r}."
                    f"{did_you_mean(key, names)} "
                    f"Settings are: {', '.join(names)}."
                )
        return cls(**values)


def _is_int(value, least):
    is_int = isinstance(value, int) and not isinstance(value, bool)
    return is_int and value >= least


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)
