"""Which networks are written in which formats: the table of the room's page.

The test runs with any backend; `python -m tests.deployment.test_table` prints
the columns of that backend, to be pasted.
"""

import pathlib
import tempfile

import keras
import pytest

import keras_seg
from keras_seg import applications
from keras_seg.deployment import FORMATS
from keras_seg.deployment import ExportError
from tests.applications.test_deconvnet import tiny as tiny_deconvnet
from tests.applications.test_fcn import tiny_vgg
from tests.applications.test_sliding_window import tiny as tiny_window
from tests.networks import randomize

PAGE = pathlib.Path(keras_seg.__file__).parent / "deployment" / "README.md"
SIZE = (96, 128)


def mobilenet(**options):
    return keras.applications.MobileNetV2(
        (None, None, 3), alpha=0.35, weights=None, include_top=False, **options
    )


def deeplab_v3():
    return applications.DeepLabV3(mobilenet(), classes=5)


NETWORKS = {
    "SlidingWindow": lambda: applications.SlidingWindow(tiny_window()),
    "FCN32s": lambda: applications.FCN32s(tiny_vgg(), classes=5),
    "FCN8s": lambda: applications.FCN8s(tiny_vgg(), classes=5),
    "FCN8s, MobileNetV2": lambda: applications.FCN8s(mobilenet(), classes=5),
    "UNet": lambda: applications.UNet(classes=5, filters=4, depth=2),
    "UNet, MobileNetV2": lambda: applications.UNet(
        backbone=mobilenet(), classes=5
    ),
    "SegNet": lambda: applications.SegNet(weights=None, filters=3, classes=5),
    "SegNetBasic": lambda: applications.SegNetBasic(filters=2, classes=5),
    "DeconvNet": lambda: tiny_deconvnet(classes=5),
    "DeepLabV1": lambda: applications.DeepLabV1(
        tiny_vgg(), classes=5, kernel_size=2, dilation_rate=4, filters=14
    ),
    "DeepLabV2": lambda: applications.DeepLabV2(
        tiny_vgg(96), classes=5, atrous_rates=(2, 4), hidden_filters=14
    ),
    "DeepLabV3, MobileNetV2": deeplab_v3,
    "DeepLabV3Plus, MobileNetV2": lambda: applications.DeepLabV3Plus(
        mobilenet(), classes=5
    ),
}


def sizes_written(network, known):
    """The largest choice of sizes that a format is written for, and why."""
    why = ""
    for words, size in (("any size", None), ("one size", SIZE)):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / f"network{known.suffix}"
            try:
                keras_seg.export(network, path, size=size)
            except ExportError as error:
                why = str(error)
            else:
                return words, why
    return "–", why


def build(name):
    network = NETWORKS[name]()
    return randomize(network)


def rows():
    """The table of the page: {(network, backend): its cells}."""
    found = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 2 + len(FORMATS) and cells[0] in NETWORKS:
            found[cells[0], cells[1]] = cells[2:]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_the_page_is_true(name):
    network = build(name)
    written = [sizes_written(network, known)[0] for known in FORMATS]
    assert written == rows()[name, keras.config.backend()]


@pytest.mark.once
def test_the_page_is_whole():
    assert set(rows()) == {
        (name, backend)
        for name in NETWORKS
        for backend in ("tensorflow", "jax", "torch")
    }


if __name__ == "__main__":
    import sys

    for name in sys.argv[1:] or NETWORKS:
        network = build(name)
        found = [sizes_written(network, known) for known in FORMATS]
        cells = [name, keras.config.backend(), *(words for words, _ in found)]
        print(f"| {' | '.join(cells)} |", flush=True)
        for known, (words, why) in zip(FORMATS, found, strict=True):
            print("   ", known.name, words, why[:300], file=sys.stderr)
