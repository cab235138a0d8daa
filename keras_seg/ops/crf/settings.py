"""What a fully connected CRF is set to, and the settings of the papers."""

import dataclasses
import numbers
from collections.abc import Mapping

from keras_seg.ops.crf.potentials import Bilateral
from keras_seg.ops.crf.potentials import Gaussian
from keras_seg.ops.crf.weighting import NORMALIZATIONS

__all__ = ["PRESETS", "Settings"]


@dataclasses.dataclass(frozen=True)
class Settings:
    """Kernels, iterations and normalisation of a fully connected CRF.

    Attributes:
        gaussian: `Gaussian`, a mapping of the same fields, or None for no
            such kernel.
        bilateral: `Bilateral`, a mapping of the same fields, or None.
        iterations: int, of mean field, 0 or more. Defaults to 10.
        normalization: `"after"`, `"symmetric"`, `"before"` or None. Defaults
            to `"after"`.

    Raises:
        ValueError: for what can't be, naming it.
    """

    gaussian: Gaussian | Mapping | None = Gaussian()
    bilateral: Bilateral | Mapping | None = Bilateral()
    iterations: int = 10
    normalization: str | None = "after"

    def __post_init__(self):
        for name, kind in (("gaussian", Gaussian), ("bilateral", Bilateral)):
            object.__setattr__(self, name, _kernel(kind, getattr(self, name)))
        whole = isinstance(self.iterations, numbers.Integral)
        if (
            not whole
            or isinstance(self.iterations, bool)
            or self.iterations < 0
        ):
            raise ValueError(
                "`iterations` must be an integer of at least 0. "
                f"Received: iterations={self.iterations!r}"
            )
        if self.normalization not in NORMALIZATIONS:
            raise ValueError(
                f"`normalization` must be one of {NORMALIZATIONS}. "
                f"Received: normalization={self.normalization!r}"
            )

    @classmethod
    def of(cls, preset, **given):
        """A preset's settings, but for those that are given.

        Args:
            preset: str, a name of `PRESETS`.
            **given: fields of `Settings`; `"preset"` is what the preset says.
        """
        if preset not in PRESETS:
            raise ValueError(
                f"`preset` must be one of {', '.join(map(repr, PRESETS))}. "
                f"Received: preset={preset!r}"
            )
        given = {k: v for k, v in given.items() if v is None or v != "preset"}
        return dataclasses.replace(PRESETS[preset], **given)

    @property
    def potentials(self):
        """The Gaussian and the bilateral kernel, those that there are."""
        both = self.gaussian, self.bilateral
        return [potential for potential in both if potential is not None]

    def as_arguments(self):
        """The fields as JSON has them."""
        return dataclasses.asdict(self)


def _kernel(kind, given):
    """A kernel from one or from a mapping of its fields; None as it is."""
    if given is None or isinstance(given, kind):
        return given
    fields = [field.name for field in dataclasses.fields(kind)]
    name = kind.__name__
    if not isinstance(given, Mapping) or set(given) - set(fields):
        raise ValueError(
            f"`{name.lower()}` must be None, a `{name}` or a mapping with "
            f"keys among {fields}. Received: {name.lower()}={given!r}"
        )
    return kind(**given)


# What the authors' scripts set. DeepLab's code divides after filtering.
PRESETS = {
    "deeplab_v1": Settings(Gaussian(3, 3), Bilateral(49, 5, 4)),
    "deeplab_v2_vgg16": Settings(Gaussian(2, 2), Bilateral(65, 3, 4)),
    "deeplab_v2_resnet101": Settings(Gaussian(1, 3), Bilateral(67, 3, 4)),
    "deconvnet": Settings(Gaussian(3, 3), Bilateral(20, 3, 5)),
    "crf_rnn": Settings(Gaussian(3, 3), Bilateral(160, 3, 5)),
    "krahenbuhl": Settings(
        Gaussian(3, 3), Bilateral(80, 13, 10), 5, "symmetric"
    ),
}
