import os

import pytest

from keras_seg.cli import console

pytestmark = pytest.mark.once


def test_what_an_import_prints_is_held_back(capfd):
    with console.quiet():
        os.write(2, b"noise")
    assert capfd.readouterr().err == ""
    with pytest.raises(ImportError):
        with console.quiet():
            os.write(2, b"the reason")
            raise ImportError
    assert capfd.readouterr().err == "the reason"
    # A user's mistake is a sentence of our own.
    with pytest.raises(ValueError):
        with console.quiet():
            os.write(2, b"noise")
            raise ValueError
    assert capfd.readouterr().err == ""
