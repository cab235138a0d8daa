import pickle

import pytest

from keras_seg.data import DataError

pytestmark = pytest.mark.once


def error():
    return DataError(
        "KS-D003",
        "masks/7.png",
        "has the ids 0, 9",
        "0..1 is allowed",
        guess="It looks odd.",
        fix="renumber it",
    )


def test_message():
    assert str(error()) == (
        "KS-D003  masks/7.png has the ids 0, 9; 0..1 is allowed. "
        "It looks odd. Fix: renumber it."
    )
    assert (error().code, error().file) == ("KS-D003", "masks/7.png")
    assert isinstance(error(), ValueError)


def test_pickle():
    copy = pickle.loads(pickle.dumps(error()))  # noqa: S301
    assert (str(copy), copy.code) == (str(error()), "KS-D003")
