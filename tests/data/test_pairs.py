import time

import pytest

from keras_seg.data import DataError
from keras_seg.data.pairs import find_pairs

pytestmark = pytest.mark.once


def touch(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def message(code, tmp_path, list_file=None):
    with pytest.raises(DataError) as caught:
        find_pairs(tmp_path / "images", tmp_path / "labels", list_file)
    assert caught.value.code == code
    return str(caught.value).replace(str(tmp_path), "DATA")


def test_by_stem_not_by_position(tmp_path):
    images = touch(tmp_path / "images", "b.jpg", "a.PNG", "c.tif", "notes.txt")
    masks = touch(tmp_path / "labels", "c.png", "b.png", "a.png", ".a.png")
    pairs, _ = find_pairs(images, masks)
    assert [(p.stem, p.image.name, p.mask.name) for p in pairs] == [
        ("a", "a.PNG", "a.png"),
        ("b", "b.jpg", "b.png"),
        ("c", "c.tif", "c.png"),
    ]
    assert pairs[0].image.parent == images and pairs[0].mask.parent == masks


def test_list(tmp_path):
    images = touch(tmp_path / "images", "a.png", "b.png", "c.png")
    masks = touch(tmp_path / "labels", "a.png", "c.png", "z.png")
    list_file = tmp_path / "train.txt"
    list_file.write_text("c\r\n\n  a \n")
    pairs, _ = find_pairs(images, masks, list_file)
    assert [pair.stem for pair in pairs] == ["c", "a"]


def test_missing_mask(tmp_path):
    touch(tmp_path / "images", "a.jpg", "b.jpg")
    touch(tmp_path / "labels", "a.png")
    assert message("KS-D004", tmp_path) == (
        "KS-D004  DATA/images/b.jpg has no mask b.png in DATA/labels; every "
        "image needs a mask of the same stem. Fix: add the mask, or remove "
        "the image."
    )
    touch(tmp_path / "labels", "b_mask.png")
    assert "same stem. There is b_mask.png. Fix:" in message(
        "KS-D004", tmp_path
    )


def test_orphan_mask(tmp_path):
    touch(tmp_path / "images", "a.jpg")
    touch(tmp_path / "labels", "a.png", "b.png")
    assert message("KS-D005", tmp_path) == (
        "KS-D005  DATA/labels/b.png has no image of the stem b in "
        "DATA/images; every mask needs an image of the same stem. "
        "Fix: add the image, or remove the mask."
    )


def test_same_number_of_files_but_other_stems(tmp_path):
    touch(tmp_path / "images", "a.jpg", "b.jpg")
    touch(tmp_path / "labels", "c.png", "d.png")
    assert message("KS-D004", tmp_path).startswith(
        "KS-D004  DATA/images/a.jpg has no mask a.png"
    )


def test_empty(tmp_path):
    touch(tmp_path / "images", "notes.txt")
    touch(tmp_path / "labels")
    assert message("KS-D010", tmp_path) == (
        "KS-D010  DATA/images holds no image; at least one is needed (PNG, "
        "JPEG, TIFF, BMP, WEBP, GIF or NPY). Fix: put images there, or correct "
        "the path."
    )
    list_file = tmp_path / "train.txt"
    list_file.write_text("\n")
    assert message("KS-D010", tmp_path, list_file) == (
        "KS-D010  DATA/train.txt names no image; at least one is needed "
        "(PNG, JPEG, TIFF, BMP, WEBP, GIF or NPY). Fix: put images there, or "
        "correct the path."
    )


def test_pictures_of_other_formats(tmp_path):
    images = touch(tmp_path / "images", "a.png", "b.PPM", "c.jpg", "c.heic")
    masks = touch(tmp_path / "labels", "a.png", "b.pgm", "c.png")
    assert message("KS-D009", tmp_path) == (
        "KS-D009  DATA/images/b.PPM has the suffix .PPM; files that are read "
        "are PNG, JPEG, TIFF, BMP, WEBP, GIF or NPY. Fix: save it as a PNG, or "
        "move it away."
    )
    touch(masks, "b.png")
    problems: list = []
    pairs, _ = find_pairs(images, masks, problems=problems)
    assert [problem.code for problem in problems] == ["KS-D009"]
    assert [pair.stem for pair in pairs] == ["a", "c"]


def test_same_stem_twice(tmp_path):
    touch(tmp_path / "images", "a.jpg", "a.png")
    touch(tmp_path / "labels", "a.png")
    assert message("KS-D012", tmp_path) == (
        "KS-D012  DATA/images/a.png has the stem of a.jpg; files are paired "
        "by stem, so a folder has each stem once. Fix: rename or remove one "
        "of the two."
    )


def test_list_names_what_is_not_there(tmp_path):
    touch(tmp_path / "images", "a.png")
    touch(tmp_path / "labels", "a.png")
    list_file = tmp_path / "train.txt"
    list_file.write_text("a\n\nb\n")
    assert message("KS-D005", tmp_path, list_file) == (
        "KS-D005  DATA/train.txt names b on line 3, which DATA/images does "
        "not have; every line is the stem of an image. Fix: correct the "
        "line, or add the image."
    )
    list_file.write_text("a.png\n")
    assert "an image. A stem is written without .png. Fix:" in message(
        "KS-D005", tmp_path, list_file
    )


def test_list_names_a_stem_twice(tmp_path):
    touch(tmp_path / "images", "a.png")
    touch(tmp_path / "labels", "a.png")
    list_file = tmp_path / "train.txt"
    list_file.write_text("a\na\n")
    assert message("KS-D012", tmp_path, list_file) == (
        "KS-D012  DATA/train.txt names a on line 1 and on line 2; every stem "
        "comes once. Fix: remove one of the two lines."
    )


def test_all_problems_are_collected(tmp_path):
    images = touch(tmp_path / "images", "a.png", "a.jpg", "b.png", "c.png")
    masks = touch(tmp_path / "labels", "a.png", "c.png", "z.png")
    problems = []
    pairs, _ = find_pairs(images, masks, problems=problems)
    assert [pair.stem for pair in pairs] == ["a", "c"]
    assert [error.code for error in problems] == [
        "KS-D012",
        "KS-D004",
        "KS-D005",
    ]
    list_file = tmp_path / "train.txt"
    list_file.write_text("c\nx\nc\nb\n")
    problems.clear()
    pairs, _ = find_pairs(images, masks, list_file, problems)
    assert [pair.stem for pair in pairs] == ["c"]
    assert sorted(error.code for error in problems) == [
        "KS-D004",
        "KS-D005",
        "KS-D012",
        "KS-D012",
    ]


def test_stems_are_equal_as_text(tmp_path):
    """An accent is one character or two: file systems choose."""
    images = touch(tmp_path / "images", "caf\u00e9.JPG", "._b.png", "Thumbs.db")
    masks = touch(tmp_path / "labels", "cafe\u0301.png")
    (pair,), _ = find_pairs(images, masks)
    assert pair.image.name == "caf\u00e9.JPG"
    touch(images, "cafe\u0301.png")
    assert "has the stem of" in message("KS-D012", tmp_path)


@pytest.mark.parametrize("other", ["A", "a_mask", "mask_a"])
def test_near_misses(tmp_path, other):
    touch(tmp_path / "images", "a.jpg")
    touch(tmp_path / "labels", f"{other}.png", "zebra.png")
    assert f" There is {other}.png. Fix" in message("KS-D004", tmp_path)


def test_near_misses_take_linear_time(tmp_path):
    images = touch(tmp_path / "images", *(f"{i}x.png" for i in range(3000)))
    masks = touch(tmp_path / "labels", *(f"y{i}.png" for i in range(3000)))
    problems, start = [], time.monotonic()
    assert find_pairs(images, masks, problems=problems) == ((), [])
    assert len(problems) == 6000 and time.monotonic() - start < 5


def test_images_without_a_mask_are_skipped(tmp_path):
    images = touch(tmp_path / "images", "a.png", "b.png")
    masks = touch(tmp_path / "labels", "a.png")
    (pair,), skipped = find_pairs(images, masks, skip_unlabeled=True)
    assert pair.stem == "a" and skipped == [images / "b.png"]
