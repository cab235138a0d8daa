"""Each tutorial in its short form, on one of the backends."""

import pathlib
import re
import runpy

import keras
import matplotlib.pyplot as plt
import pytest
from PIL import Image

ROOT = pathlib.Path(__file__).parents[1]
# The backend on which each runs here, and what it says.
TUTORIALS = {
    "01_from_kmeans_to_unet": (
        "tensorflow",
        *(
            rf"^{name}: 0\.\d+ of the pixels right, IoU of membrane 0\.\d+"
            for name in ("k-means", "sliding window", "U-Net")
        ),
        r"differ by \de-0[6-9] ",
    ),
    "02_upsampling_by_hand": ("tensorflow", r"\[ 9 15 19 -1\]"),
    "03_from_classifier_to_fcn": (
        "torch",
        r"^25,089 weights a unit, 102,764,544 in all",
        r"^\(1, 1000\) and \(1, 1, 1, 1000\), \de-0[6-9] apart",
        r"^FCN8s: IoU of disks \d",
    ),
    "04_holes_and_receptive_fields": (
        "torch",
        r"^AtrousConv, rate 12: +4,719,616",
        r"^\(2, 2\) and \(8, 8\), \de[-+]0[06-9] apart",
        r"^rate 12: 404 pixels",
        r"^ASPP 1, 3, 6 field  119, IoU of small disks",
    ),
    "05_fully_connected_crf": (
        "torch",
        r"^IoU 0\.8\d+, after the CRF 0\.9",
        r"^brown cup +0\.8\d+ → 0\.[1-7]",
        r"^on others, IoU of the cup: 0\.8\d+ → 0\.9",
        r"^band of  1 pixels: 0\.\d+ → 0\.[6-9]",
    ),
    "06_transfer_learning": (
        "torch",
        "can be trained on",
        r"^transferred: mean IoU 0\.",
        r"^from scratch: mean IoU 0\.",
    ),
    "07_rare_classes_void_label_errors": (
        "torch",
        r"^balanced: .*, ratio \d\d$",
        r"^loss (\d\.\d+), with other scores under void \1$",
        r"^KS-D003 +error: .*0001.png",
        r"^KS-D006 +error: .*0002.png",
        r"^KS-D021 +error: .*0003.png",
        r"^ 1\. image  1, mean IoU 0\.0\d+ planted",
    ),
    "08_large_images": (
        "torch",
        r"^row 100, column 20 lies at 400010\.25 m east, 5399949\.75 m north",
        r"^with a margin +6 tiles,  0\.000 %",
        r"^the same place: True True",
        r"^the same: True",
    ),
    "09_a_page_in_the_browser": (
        "tensorflow",
        r"^97×130: (100\.00|99\.\d\d)% of the pixels in the same class",
        r"^the scores are \de-0[4-9] of the largest apart",
        r"^index\.html: 0\.\d+ MB\. It should say: background ",
    ),
    "10_a_linear_head": (
        "torch",
        r"^132 of 8,836 weights were trained",
        r"^linear, DINOv2: mean IoU 0\.",
        r"^linear, features: mean IoU 0\.",
        r"^k-means, features: mean IoU 0\.",
    ),
    "11_three_backends": (
        "torch",
        r"^tensorflow: \de[-+]0[05-8] of the largest score apart, \d+\.\d\d%",
        r"weights float32, computes in bfloat16; the network returns float32",
        r"^bfloat16 +0\.333984",
    ),
    "12_your_own_network": (
        "torch",
        *(rf"^{x}: 8,736 weights" for x in ("indices", "nails", "bilinear")),
        r"^ASPP: rates \(4, 8, 12\)",
        r"^indices: The layer 'pool1' \(MaxPoolWithIndices\) can't be carried",
    ),
}


@pytest.mark.once
def test_none_is_left_out():
    scripts = {file.stem for file in (ROOT / "tutorials").glob("*.py")}
    assert scripts == {*TUTORIALS}


@pytest.fixture
def weights(tmp_path):
    """Random weights in a file of ImageNet's layout."""
    classifier = keras.applications.MobileNetV2(
        weights=None, include_top=False, input_shape=(None, None, 3)
    )
    classifier.save_weights(tmp_path / "classifier.weights.h5")
    return tmp_path / "classifier.weights.h5"


HERE = [x for x in TUTORIALS if TUTORIALS[x][0] == keras.backend.backend()]


@pytest.mark.parametrize("name", HERE)
def test_short_form(name, tmp_path, monkeypatch, capsys, request):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("KERAS_SEG_QUICK", "1")
    monkeypatch.delenv("DATA", raising=False)
    if name == "06_transfer_learning":
        file = request.getfixturevalue("weights")
        monkeypatch.setenv("WEIGHTS", str(file))
    script = ROOT / f"tutorials/{name}.py"
    runpy.run_path(str(script), run_name="__main__")
    plt.close("all")
    said = capsys.readouterr().out
    for pattern in TUTORIALS[name][1:]:
        assert re.search(pattern, said, re.MULTILINE), (pattern, said)
    pictures = list(tmp_path.glob("tutorial_*/*.png"))
    assert pictures
    for file in pictures:
        with Image.open(file) as picture:
            assert min(picture.size) > 150 and len(picture.getcolors(2**24)) > 8
