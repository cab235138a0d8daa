"""Transforms by name and strength, as `--augment` and settings give them."""

import dataclasses
import functools
import inspect
import warnings
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from keras_seg.arguments import pair_of
from keras_seg.data.augment.coloring import ColorJitter
from keras_seg.data.augment.coloring import GrayJitter
from keras_seg.data.augment.cropping import BalancedCrop
from keras_seg.data.augment.cropping import RandomCrop
from keras_seg.data.augment.degrading import CoarseDropout
from keras_seg.data.augment.degrading import GaussianBlur
from keras_seg.data.augment.degrading import GaussianNoise
from keras_seg.data.augment.degrading import JPEGCompression
from keras_seg.data.augment.mixing import CopyPaste
from keras_seg.data.augment.mixing import CutMix
from keras_seg.data.augment.mixing import Mosaic
from keras_seg.data.augment.moving import ElasticDeformation
from keras_seg.data.augment.moving import RandomFlip
from keras_seg.data.augment.moving import RandomQuarterTurns
from keras_seg.data.augment.moving import RandomRotation
from keras_seg.data.augment.moving import RandomShift
from keras_seg.data.augment.perspective import RandomPerspective
from keras_seg.data.augment.scaling import RandomScale
from keras_seg.data.augment.transform import Transform
from keras_seg.words import did_you_mean

__all__ = ["NAMES", "STRENGTHS", "named"]

STRENGTHS: dict[str, tuple[str, ...]] = {
    "none": (),
    "light": ("flip",),
    "standard": ("scale", "flip"),
    "strong": (
        *("scale", "flip", "rotation", "perspective", "color"),
        *("blur", "noise", "jpeg", "dropout"),
    ),
}
SCALE = (0.75, 1.5)


@dataclasses.dataclass(frozen=True)
class _Entry:
    """What a name stands for.

    `fields` are the arguments that the one number of a name sets, by which
    factor; `number` is what it is if not given.
    """

    kind: Callable[..., Transform]
    number: float = 0
    fields: Mapping[str, float] = dataclasses.field(default_factory=dict)


# In the order in which they are applied. What moves pixels stands before the
# mixes, which takes other pairs through it; what changes colors behind them,
# so that a mixed image is one photograph.
NAMES: dict[str, _Entry] = {
    "scale": _Entry(RandomScale),
    "balanced_crop": _Entry(BalancedCrop, 1, {"probability": 1}),
    "flip": _Entry(RandomFlip, 0.5, {"horizontal": 1}),
    "vertical_flip": _Entry(
        functools.partial(RandomFlip, 0), 0.5, {"vertical": 1}
    ),
    "turns": _Entry(RandomQuarterTurns),
    "rotation": _Entry(RandomRotation, 10, {"degrees": 1}),
    "shift": _Entry(RandomShift, 16, {"pixels": 1}),
    "elastic": _Entry(ElasticDeformation, 10, {"sigma": 1}),
    "perspective": _Entry(RandomPerspective, 0.1, {"distortion_scale": 1}),
    "mosaic": _Entry(Mosaic, 0.5, {"probability": 1}),
    "cutmix": _Entry(CutMix, 0.5, {"probability": 1}),
    "copy_paste": _Entry(CopyPaste, 0.5, {"probability": 1}),
    "color": _Entry(
        ColorJitter,
        0.3,
        {"brightness": 1, "contrast": 1, "saturation": 1, "hue": 0.25},
    ),
    "gray": _Entry(GrayJitter, 0.3, {"shift": 100, "contrast": 1}),
    "blur": _Entry(GaussianBlur, 2, {"sigma": 1}),
    "noise": _Entry(GaussianNoise, 10, {"sigma": 1}),
    "jpeg": _Entry(JPEGCompression, 50, {"quality": 1}),
    "dropout": _Entry(CoarseDropout, 0.15, {"size": 1}),
}
_OF_COLORS = ("color", "jpeg")  # refuse images of many bands


def named(
    names: str | Sequence[Any] | Mapping[str, Any] = "standard",
    *,
    crop: int | Sequence[int] | None = None,
    scale: Sequence[float] | None = SCALE,
    flip: bool = True,
    channels: int = 3,
) -> list[Transform]:
    """Returns the transforms of a strength, or those of several names.

    | strength | transforms |
    |---|---|
    | `"none"` | the crop alone |
    | `"light"` | the crop and `flip` |
    | `"standard"` | `scale`, the crop and `flip`: the default of a run |
    | `"strong"` | those, `rotation`, `perspective`, `color`, `blur`, \
`noise`, `jpeg` and `dropout` |

    | name | transform | its number, and the default |
    |---|---|---|
    | `scale` | `RandomScale` | none; the argument `scale` |
    | `balanced_crop` | `BalancedCrop`, in place of the crop | probability, 1 |
    | `flip` | `RandomFlip` | probability, .5 |
    | `vertical_flip` | `RandomFlip` | probability, .5 |
    | `turns` | `RandomQuarterTurns` | none |
    | `rotation` | `RandomRotation` | degrees, 10 |
    | `shift` | `RandomShift` | pixels, 16 |
    | `elastic` | `ElasticDeformation` | sigma in pixels, 10 |
    | `perspective` | `RandomPerspective` | distortion scale, .1 |
    | `mosaic` | `Mosaic` | probability, .5 |
    | `cutmix` | `CutMix` | probability, .5 |
    | `copy_paste` | `CopyPaste` | probability, .5 |
    | `color` | `ColorJitter` | brightness, contrast, saturation and 4 times \
the hue, .3 |
    | `gray` | `GrayJitter` | contrast and a hundredth of the shift, .3 |
    | `blur` | `GaussianBlur` | largest sigma in pixels, 2 |
    | `noise` | `GaussianNoise` | largest sigma in gray levels, 10 |
    | `jpeg` | `JPEGCompression` | lowest quality, 50 |
    | `dropout` | `CoarseDropout` | largest side as a share, .15 |

    They are applied in the order of the table, with the crop behind the
    scale, however they are written.

    Args:
        names: str of names with a comma in between, each alone or with a
            number, such as `"strong,cutmix"` and `"blur=0.5,noise=8"`; a dict
            from names to `None`, numbers, or dicts of the transform's
            arguments; or a list of strings and dicts. A later name replaces
            the same one before; `none` for a number (`False` in a dict) takes
            it away, as in `"strong,jpeg=none"`.
        crop: int or tuple (height, width), or `None` for whole images.
        scale: tuple (low, high) of the factor, or `None` for no scale in the
            strengths. Needs `crop`.
        flip: bool, whether the strengths flip.
        channels: int, of the images. Where there are neither 1 nor 3,
            `"strong"` has `gray` in place of `color`, no `jpeg`, and warns.

    Returns:
        List of `Transform`s.

    Raises:
        ValueError: If there is no such name, or a number can't be.

    Example:

    >>> from keras_seg.data import augment
    >>> for transform in augment.named("light,blur=1,jpeg", crop=64):
    ...     print(transform)
    RandomCrop(color=None, ignore_class=255, size=(64, 64))
    RandomFlip(horizontal=0.5, vertical=0.0)
    GaussianBlur(probability=0.5, sigma=1)
    JPEGCompression(probability=0.5, quality=50)
    """
    chosen: dict[str, Any] = {}
    for name, value in _items(names):
        name = name.strip().lower().replace("-", "_")
        if name in STRENGTHS:
            if value is not None and value is not True:
                raise _refusal(f"{name!r} takes no number", names)
            chosen |= dict.fromkeys(_strength(name, scale, flip, channels))
        elif name not in NAMES:
            known = [*STRENGTHS, *NAMES]
            raise _refusal(
                f"there is no {name!r}.{did_you_mean(name, known)} "
                f"There are {', '.join(known)}",
                names,
            )
        elif value is False:
            chosen.pop(name, None)
        elif name in _OF_COLORS and channels not in (1, 3):
            raise _refusal(
                f"{name!r} needs images of 1 or 3 channels; they have "
                f"{channels}",
                names,
            )
        else:
            chosen[name] = value
    found: list[Transform] = []
    size = None if crop is None else pair_of("crop", crop)
    if size and "balanced_crop" not in chosen:
        found.append(RandomCrop(size))
    for name in NAMES:
        if name not in chosen:
            continue
        options: dict[str, Any] = {}
        if name in ("scale", "balanced_crop") and size is None:
            raise _refusal(f"{name!r} needs a crop, for one size", names)
        if name == "scale":
            low, high = scale or SCALE
            options = {"low": low, "high": high}
        elif name == "balanced_crop":
            options = {"size": size}
        transform = _built(name, chosen[name], options, names)
        found.insert(0 if name == "scale" else len(found), transform)
    return found


def _items(names: Any) -> Iterator[tuple[str, Any]]:
    """Pairs of a name and its number, `None` if there is none."""
    if isinstance(names, str):
        for part in names.split(","):
            name, equals, text = part.partition("=")
            yield name, _number(text, names) if equals else None
    elif isinstance(names, Mapping):
        for name, value in names.items():
            yield str(name), value
    elif isinstance(names, Sequence):
        for item in names:
            yield from _items(item)
    else:
        raise _refusal("names are a string, a list or a dict", names)


def _number(text, names):
    if text.strip().lower() == "none":
        return False
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    raise _refusal(f"{text!r} is no number", names)


def _strength(strength, scale, flip, channels):
    """The names of a strength for images of so many channels."""
    names = list(STRENGTHS[strength])
    if scale is None and "scale" in names:
        names.remove("scale")
    if not flip and "flip" in names:
        names.remove("flip")
    if channels not in (1, 3) and "color" in names:
        names[names.index("color")] = "gray"
        names.remove("jpeg")
        warnings.warn(
            f"`augment`: {strength!r} has 'gray' in place of 'color' and no "
            f"'jpeg' for images of {channels} channels, since those need 1 "
            "or 3.",
            stacklevel=3,
        )
    return names


def _built(name, value, options, names):
    entry = NAMES[name]
    fields = list(inspect.signature(entry.kind).parameters)
    number, arguments = entry.number, {}
    if isinstance(value, Mapping):
        arguments = {
            key: tuple(x) if isinstance(x, list) else x
            for key, x in value.items()
        }
        for key in arguments:
            if key not in fields:
                raise _refusal(
                    f"{name!r} has no {key!r}."
                    f"{did_you_mean(key, fields)} It has {', '.join(fields)}",
                    names,
                )
    elif value is not None and value is not True:
        if not isinstance(value, int | float):
            raise _refusal(f"{name!r} takes a number or a dict", names)
        if not entry.fields:
            raise _refusal(f"{name!r} takes no number", names)
        number = value
    options |= {key: by * number for key, by in entry.fields.items()}
    try:
        return entry.kind(**(options | arguments))
    except (TypeError, ValueError) as error:
        raise ValueError(f"`augment`, {name!r}: {error}") from None


def _refusal(reason, names):
    return ValueError(f"`augment`: {reason}. Received: augment={names!r}")
