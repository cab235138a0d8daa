"""Where a run has its data from, so that it can read them again."""

import dataclasses
import pathlib
import warnings
from typing import Any
from typing import Self

from keras_seg.data import Folder
from keras_seg.data import from_folder
from keras_seg.data import hold_out
from keras_seg.data import splits
from keras_seg.data.bands import parse_bands
from keras_seg.data.held_out import CannotHoldOut
from keras_seg.data.images import find_bit_depth
from keras_seg.data.layout import choose_split
from keras_seg.data.mask_files import parse_mask_values
from keras_seg.data.mask_files import share_palettes
from keras_seg.runs.files import RunError
from keras_seg.runs.files import RunWarning

__all__ = ["DataSource", "split_by_stems"]


@dataclasses.dataclass(frozen=True)
class DataSource:
    """A folder of data, and which of its images are used for what.

    Args:
        path: str, the folder, see `keras_seg.data.from_folder`.
        split: optional str, the split to train on; by default `"train"`, or
            one such as `"Train"` or `"train2017"`, or the only one that is
            not for validation or tests, if the folder has splits, or else
            all images.
        validation_split: optional str, the split that tells which model is
            the best; by default `"val"`, or one such as `"valid"` or
            `"Validation"`, if there is one.
        overfit: optional int: train on so many images, the first ones, and
            validate on the same.
        mask_values: optional str such as `"0:0,255:1"`, what the values of
            the masks mean, see `keras_seg.data.from_folder`.
        skip_unlabeled: bool, leave out images without a mask.
        bit_depth: optional int, of images of 16 bits, see
            `keras_seg.data.read_image`. By default what the largest value of
            all images needs.
        val_fraction: float from 0 to below 1, the share of the images to
            train on that is held out where there is no split for validation,
            see `keras_seg.data.hold_out`. 0 holds nothing out.
        held_out: optional tuple of strs, the stems of the images that are
            held out instead, as `describe` records them.
        multi_label, missing_classes: whether classes may overlap, and what it
            means if a class has no file, see `keras_seg.data.from_folder`.
        bands: optional str such as `"4,3,2"` or `"nir,red,green"`, the bands
            of the images that are read, see `keras_seg.data.read_image`.

    Example:

    >>> import pathlib
    >>> import tempfile
    >>> from keras_seg.data import synthetic
    >>> path = pathlib.Path(tempfile.mkdtemp())
    >>> images, masks = synthetic.membranes(2, size=32)
    >>> synthetic.write_folder(
    ...     path, images, masks, synthetic.MEMBRANE_CLASSES, "train")
    >>> data, validation = DataSource(str(path)).read()
    >>> len(data), validation
    (2, None)
    """

    path: str
    split: str | None = None
    validation_split: str | None = None
    overfit: int | None = None
    mask_values: str | None = None
    skip_unlabeled: bool = False
    bit_depth: int | None = None
    val_fraction: float = 0.0
    held_out: tuple[str, ...] | None = None
    multi_label: bool = False
    missing_classes: str | None = None
    bands: str | None = None

    @property
    def band_list(self) -> tuple[int | str, ...] | None:
        """The bands, numbers from 1 and names, or `None`."""
        return None if self.bands is None else parse_bands(self.bands)

    @property
    def reading(self) -> dict[str, Any]:
        """How files are read, as arguments of `keras_seg.data.from_folder`."""
        options: dict[str, Any] = {"bands": self.band_list}
        if self.skip_unlabeled:
            options["skip_unlabeled"] = True
        if self.mask_values is not None:
            options["mask_values"] = parse_mask_values(self.mask_values)
        if self.multi_label:
            options["multi_label"] = True
        if self.missing_classes is not None:
            options["missing_classes"] = self.missing_classes
        return options

    def resolved(self) -> Self:
        """The same source: an absolute path, the splits that are chosen."""
        split, validation_split = self._splits()
        return dataclasses.replace(
            self,
            path=str(pathlib.Path(self.path).resolve()),
            split=split,
            validation_split=validation_split,
        )

    def read(self, check: bool = True) -> tuple[Folder, Folder | None]:
        """Reads the pairs.

        Args:
            check: bool, decode every file first.

        Returns:
            Tuple (data, validation) of `keras_seg.data.Folder`; validation
            is `None` if there is none. Where `val_fraction` asks for one that
            there cannot be, a `RunWarning` says why.

        Raises:
            DataError: if the data cannot be trained on.
            RunError: if there are fewer images than `overfit`, or an image
                of `held_out` is missing.
        """
        split, validation_split = self._splits()
        options: dict[str, Any] = {"check": False, **self.reading}
        data = from_folder(self.path, split, **options)
        if self.overfit is not None:
            if self.overfit > len(data):
                raise RunError(
                    f"{self.path} has {len(data)} images to train on. "
                    f"Received: overfit={self.overfit}"
                )
            data = validation = data.subset(range(self.overfit))
        elif validation_split is None:
            validation = None
        else:
            validation = from_folder(
                self.path,
                validation_split,
                class_table=data.class_table,
                **options,
            )
        both = [data] if validation is None else [data, validation]
        bit_depth = self.bit_depth or find_bit_depth(
            [(pair.image, pair.page) for part in both for pair in part.pairs],
            self.band_list,
        )
        share_palettes(both)
        for part in both:
            part.bit_depth = bit_depth
            if check:
                part.check()
        if self.overfit is None and validation is None:
            return self._hold_out(data)
        return data, validation

    def _hold_out(self, data):
        if self.held_out:
            return split_by_stems(data, self.held_out, self.path)
        if self.val_fraction and self.held_out is None:
            try:
                return hold_out(data, self.val_fraction)
            except CannotHoldOut as error:
                warnings.warn(
                    f"No image of {self.path} is held out: {error}. The "
                    "scores are those of the training images themselves.",
                    RunWarning,
                    stacklevel=3,
                )
        return data, None

    def _splits(self):
        names = splits(self.path)
        split, validation_split = self.split, self.validation_split
        if split is None and names:
            split = choose_split(names, "train") or "train"
        if validation_split is None:
            validation_split = choose_split(names, "val")
        return split, validation_split


def split_by_stems(data, stems, path):
    """Tuple (train, held_out): the pairs of other stems, and of these."""
    places = {pair.stem: i for i, pair in enumerate(data.pairs)}
    missing = [stem for stem in stems if stem not in places]
    if missing:
        raise RunError(
            f"{path} has no image {missing[0]}, which was held out when the "
            "run began. Fix: put it back, or train into a new folder."
        )
    held = {places[stem] for stem in stems}
    train = data.subset(i for i in range(len(data)) if i not in held)
    train.skipped = data.skipped
    return train, data.subset(sorted(held))
