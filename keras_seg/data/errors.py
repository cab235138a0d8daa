"""`DataError`, raised for files that cannot be trained on, and its codes."""

import functools
import os

__all__ = ["DataError"]


class DataError(ValueError):
    """A file or folder of the user cannot be trained on.

    The message names the file, what was found, what is allowed, the likely
    cause if there is one, and the fix. The codes:

    | code | what is wrong |
    |---|---|
    | KS-D001 | the folder, or its folder of images or of masks, is missing |
    | KS-D002 | the split is missing, ambiguous, or badly listed |
    | KS-D003 | a mask has ids outside the classes (0/255 masks included) |
    | KS-D004 | an image has no mask |
    | KS-D005 | a mask, or a line of a list, has no image |
    | KS-D006 | an image and its mask have different sizes |
    | KS-D007 | a mask has colors or fractions instead of class ids |
    | KS-D008 | a mask is stored with loss (JPEG) |
    | KS-D009 | a file cannot be read as an image |
    | KS-D010 | there is nothing to read |
    | KS-D011 | the class table is malformed |
    | KS-D012 | two files have the same stem |
    | KS-D013 | a text file (JSON, YAML, a list) is malformed |
    | KS-D014 | a mask has a color that is no class's, or two classes' |
    | KS-D015 | a label is not among the classes, or two are alike |
    | KS-D016 | a package that a file needs is not installed |
    | KS-D017 | an image has other channels or values than asked for |
    | KS-D018 | a shape has no area to fill, or no outline |
    | KS-D019 | two stacks have different numbers of pages |
    | KS-D020 | masks look interpolated: ids that come only along edges |
    | KS-D021 | an image is in two splits |
    | KS-D022 | an image comes twice in a split, with the same mask |
    | KS-D023 | an image comes twice, with different masks |
    | KS-D024 | two splits have other images of the same stem |
    | KS-D025 | images of two splits look the same, small |
    | KS-D026 | different images have the same mask |
    | KS-D027 | a class has no pixel at all |
    | KS-D028 | a class has no pixel to train on, but some elsewhere |
    | KS-D029 | a class has pixels to train on, but none elsewhere |
    | KS-D030 | nearly all pixels are of one class |
    | KS-D031 | more than half of a mask, or of all masks, is void |
    | KS-D032 | an image shows nothing: its pixels are all alike |
    | KS-D033 | the sizes of the images vary |
    | KS-D034 | a split has very few images |
    | KS-D035 | images are not plain RGB |
    | KS-D036 | EXIF turns an image, and its mask may not have been turned |
    | KS-D037 | a mask lies elsewhere on Earth than its image |
    | KS-D038 | shapes of different classes overlap |
    | KS-D039 | a mask of several labels has other planes than classes |
    | KS-D040 | classes that may overlap never do |
    | KS-D041 | pixels of an image have no data, and are void |
    | KS-D042 | only one of an image and its mask has a place on a map |

    Codes from KS-D020 on are findings of `keras_seg.data.check`; some of them
    are warnings or notes.

    Args:
        code: str, one of the codes above.
        file: str or path, the file or folder at fault.
        found: str, what was found: a sentence whose subject is the file.
        allowed: str, what is allowed instead, a clause.
        fix: str, what to do, a clause.
        guess: optional str, a sentence on the likely cause.

    Example:

    >>> from keras_seg.data import DataError
    >>> print(DataError(
    ...     "KS-D004", "images/7.jpg", "has no mask", "every image needs one",
    ...     fix="add masks/7.png",
    ... ))
    KS-D004  images/7.jpg has no mask; every image needs one. Fix: add
    masks/7.png.
    """

    def __init__(
        self,
        code: str,
        file: str | os.PathLike,
        found: str,
        allowed: str,
        *,
        fix: str,
        guess: str | None = None,
    ):
        self.code = code
        self.file = str(file)
        self.found = found
        self.allowed = allowed
        self.fix = fix
        self.guess = guess
        guess = f" {guess}" if guess else ""
        super().__init__(
            f"{code}  {self.file} {found}; {allowed}.{guess} Fix: {fix}."
        )

    def __reduce__(self):
        make = functools.partial(DataError, fix=self.fix, guess=self.guess)
        return make, (self.code, self.file, self.found, self.allowed)
