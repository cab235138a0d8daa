"""A user's mistakes: the sentence, the exit code, and nothing written."""

import numpy as np
import pytest
from PIL import Image

from keras_seg.data import ClassTable

pytestmark = pytest.mark.once


@pytest.fixture
def folder(tmp_path):
    """`DATA/images` and `DATA/labels` with two pairs."""
    path = tmp_path / "DATA"
    for name in ("images", "labels"):
        (path / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number, stem in enumerate("ab"):
        save(path / "images" / f"{stem}.png", rng.integers(0, 256, (8, 6, 3)))
        save(path / "labels" / f"{stem}.png", np.eye(8, 6, number))
    ClassTable.default(2).write(path / "classes.csv")
    return path


def save(path, array):
    Image.fromarray(np.asarray(array).astype("uint8")).save(path)


def missing_mask(folder):
    (folder / "labels" / "b.png").unlink()


def orphan_mask(folder):
    (folder / "images" / "b.png").unlink()


def other_size(folder):
    save(folder / "labels" / "b.png", np.zeros((6, 8)))


def colors(folder):
    mask = np.zeros((8, 6, 3))
    mask[0, 0] = (128, 64, 0)
    save(folder / "labels" / "b.png", mask)


def outside(folder):
    save(folder / "labels" / "b.png", 7 * np.eye(8, 6))


def black_and_white(folder):
    for stem in "ab":
        save(folder / "labels" / f"{stem}.png", 255 * np.eye(8, 6))


def text_as_image(folder):
    (folder / "images" / "b.png").write_text("not an image")


def truncated(folder):
    path = folder / "images" / "b.png"
    save(path, np.random.default_rng(0).integers(0, 256, (8, 6, 3)))
    path.write_bytes(path.read_bytes()[:100])


def empty(folder):
    for file in folder.glob("*/*.png"):
        file.unlink()


COPY = "Fix: copy the file again from its source, or remove it."
COMPLETE = "a complete PNG, JPEG, TIFF, BMP, WEBP or GIF file is expected."

CASES = [
    (
        missing_mask,
        "KS-D004  DATA/images/b.png has no mask b.png in DATA/labels; every "
        "image needs a mask of the same stem. Fix: add the mask, or remove "
        "the image.",
    ),
    (
        orphan_mask,
        "KS-D005  DATA/labels/b.png has no image of the stem b in "
        "DATA/images; every mask needs an image of the same stem. Fix: add "
        "the image, or remove the mask.",
    ),
    (
        other_size,
        "KS-D006  DATA/labels/b.png is 8x6 and its image DATA/images/b.png "
        "6x8; an image and its mask have one size. Width and height are "
        "exchanged. Fix: make the mask again from this image, or resize it: "
        "Image.open(mask).resize((6, 8), Image.Resampling.NEAREST)"
        ".save(mask).",
    ),
    (
        colors,
        "KS-D014  DATA/labels/b.png has 1 pixel of the color (128, 64, 0); "
        "every color is that of a class or of void. The nearest is (128, 0, "
        "0) of class 1. Fix: give the color a line in the class table (role "
        "'void' to ignore it), or export the masks again.",
    ),
    (
        outside,
        "KS-D003  DATA/labels/b.png has the ids 0, 7; the data set has 2 "
        "classes: 0..1, and 255 for void. The ids look like gray levels, "
        "drawn to be seen. Fix: give every id a line in classes.csv (role "
        "'void' to ignore it), or renumber the masks.",
    ),
    (
        black_and_white,
        "KS-D003  DATA/labels/a.png has the ids 0, 255; the data set has 2 "
        "classes: 0..1, and 255 for void. The masks (2 read) hold nothing "
        "but 0 and 255: they look like black-and-white masks, not like void. "
        "Fix: read them with --mask-values 0:0,255:1.",
    ),
    (
        text_as_image,
        f"KS-D009  DATA/images/b.png is not an image (12 bytes); {COMPLETE} "
        f"{COPY}",
    ),
    (
        truncated,
        "KS-D009  DATA/images/b.png is incomplete or damaged (100 bytes); "
        f"{COMPLETE} {COPY}",
    ),
    (
        empty,
        "KS-D010  DATA/images holds no image; at least one is needed (PNG, "
        "JPEG, TIFF, BMP, WEBP, GIF or NPY). Fix: put images there, or correct "
        "the path.",
    ),
]


@pytest.mark.parametrize(
    ("spoil", "text"), CASES, ids=[case[0].__name__ for case in CASES]
)
def test_train(folder, invoke, tiny, spoil, text):
    spoil(folder)
    out = folder.parent / "run"
    result = invoke("train", folder, "--out", out, *tiny)
    said = result.stderr.replace(f"{folder.parent}/", "")
    assert said == f"{text}\nMore: keras-seg check DATA\n"
    assert result.stdout == ""
    assert result.exit_code == 3
    assert not out.exists()


def test_evaluate(folder, invoke, trained):
    outside(folder)
    (folder / "classes.csv").unlink()
    before = sorted(trained[1].iterdir())
    result = invoke("evaluate", trained[1], folder)
    assert result.stderr.replace(f"{folder.parent}/", "") == f"{CASES[4][1]}\n"
    assert result.exit_code == 1
    assert sorted(trained[1].iterdir()) == before


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_not_a_run_folder(folder, invoke, command):
    result = invoke(command, folder, folder / "images")
    assert result.exit_code == 1
    assert result.stderr == (
        f"{folder} is not a run folder: it has no environment.txt. "
        "Fix: pass the folder that keras-seg train wrote (--out).\n"
    )
    result = invoke(command, "nope", folder)
    assert result.stderr.startswith("nope does not exist; a run folder")


def test_other_classes(folder, invoke, trained):
    result = invoke("evaluate", trained[1], folder)
    assert result.exit_code == 1
    assert result.stderr == (
        f"{folder / 'classes.csv'} has the classes class 0, class 1; "
        f"{trained[1]} was trained on cell, membrane. Fix: evaluate on data "
        "of the same classes, or train again.\n"
    )


def test_out_is_not_free(folder, invoke, tiny):
    result = invoke("train", folder, "--out", folder, *tiny)
    assert result.exit_code == 1
    assert result.stderr == (
        f"{folder} is not empty; a run never overwrites what is there. "
        "Fix: choose another folder, or remove this one.\n"
    )


def test_weights_that_do_not_exist(folder, invoke):
    out = folder.parent / "run"
    result = invoke(
        "train", folder, "--out", out, "--weights", "nope.h5", "--crop", "8"
    )
    assert result.exit_code == 1
    assert result.stderr == (
        "--weights must be none (random initialization), 'imagenet' or the "
        "path of a file with the weights of the backbone. Received: "
        "--weights nope.h5, which does not exist\n"
    )
    assert not out.exists()


def test_no_image_to_predict(invoke, trained, tmp_path):
    (tmp_path / "empty").mkdir()
    out = tmp_path / "out"
    result = invoke("predict", trained[1], tmp_path / "empty", "--out", out)
    assert result.exit_code == 1
    assert result.stderr == (
        f"KS-D010  {tmp_path / 'empty'} holds no image; PNG, JPEG, TIFF, BMP, "
        "WEBP, GIF or NPY files are expected. Fix: correct the path.\n"
    )
    assert not out.exists()
