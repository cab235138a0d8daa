"""Masks of several labels in files: stacks, and one file a class."""

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data import check
from keras_seg.data import convert
from keras_seg.data import from_folder
from keras_seg.data.mask_files import parse_mask_values
from keras_seg.data.stacks import label_folders
from keras_seg.data.stacks import label_table
from tests.data.readers.files import image

pytestmark = pytest.mark.once

NAMES = ("road", "vehicle", "car")


def stack(seed=0, planes=3, size=(8, 10)):
    """A mask of several labels with void."""
    rng = np.random.default_rng(seed)
    return rng.choice(np.array([0, 1, 255], "uint8"), (*size, planes))


def pages(path, mask):
    """A TIFF with a page for each class, as Pillow writes it."""
    first, *others = (Image.fromarray(mask[..., k]) for k in range(3))
    first.save(path, save_all=True, append_images=others, compression="lzw")


def bands(path, mask):
    tifffile.imwrite(
        path, mask, photometric="minisblack", planarconfig="contig"
    )


def planar(path, mask):
    tifffile.imwrite(
        path,
        np.moveaxis(mask, -1, 0),
        photometric="minisblack",
        planarconfig="separate",
    )


def pages_of_tifffile(path, mask):
    tifffile.imwrite(path, np.moveaxis(mask, -1, 0), photometric="minisblack")


STACKS = {
    "pages": (pages, ".tif"),
    "bands": (bands, ".tif"),
    "planar": (planar, ".tiff"),
    "pages of tifffile": (pages_of_tifffile, ".tif"),
    "npy": (np.save, ".npy"),
    "npz": (np.savez_compressed, ".npz"),
}


def write(path, masks, kind="npy"):
    """Images and a stack for each."""
    (path / "labels").mkdir(parents=True)
    save, suffix = STACKS[kind]
    for i, mask in enumerate(masks):
        image(path / "images" / f"{i}.png", mask.shape[:2])
        save(path / "labels" / f"{i}{suffix}", mask)
    return path


def write_planes(path, masks, names=NAMES, pattern="{name}/{stem}.png"):
    """Images and a file for each class."""
    for i, mask in enumerate(masks):
        image(path / "images" / f"{i}.png", mask.shape[:2])
        for k, name in enumerate(names):
            file = path / "labels" / pattern.format(name=name, stem=i)
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask[..., k]).save(file)
    return path


def refused(path, **options):
    with pytest.raises(DataError) as caught:
        from_folder(path, multi_label=True, **options)
    return caught.value


@pytest.mark.parametrize("kind", STACKS)
def test_stacks(kind, tmp_path):
    masks = [stack(i) for i in range(3)]
    folder = from_folder(write(tmp_path, masks, kind), multi_label=True)
    assert folder.multi_label and folder.layout.startswith("a stack for each")
    assert folder.class_table == label_table(f"class {k}" for k in range(3))
    for i, mask in enumerate(masks):
        np.testing.assert_array_equal(folder[i][1], mask)
        assert folder[i][1].dtype == "uint8"


@pytest.mark.parametrize(
    ("pattern", "layout"),
    [
        ("{name}/{stem}.png", "a folder for each class in labels"),
        ("{stem}_{name}.png", "a file for each class in labels, its name"),
        ("{stem}-{name}.tif", "a file for each class in labels, its name"),
    ],
)
def test_a_file_for_each_class(pattern, layout, tmp_path):
    masks = [stack(i) for i in range(3)]
    write_planes(tmp_path, masks, pattern=pattern)
    folder = from_folder(tmp_path, multi_label=True)
    assert folder.layout.startswith(layout)
    # Without a table the classes are sorted by name: car, road, vehicle.
    assert folder.class_table.names == ("car", "road", "vehicle")
    for i, mask in enumerate(masks):
        np.testing.assert_array_equal(folder[i][1], mask[..., [2, 0, 1]])
    table = label_table(NAMES)
    table.write(tmp_path / "classes.csv")
    folder = from_folder(tmp_path, multi_label=True)
    assert folder.class_table == table
    np.testing.assert_array_equal(folder[2][1], masks[2])


def test_splits_and_lists(tmp_path):
    masks = [stack(i) for i in range(4)]
    for split in ("train", "val"):
        write_planes(tmp_path / split, masks)
    assert len(from_folder(tmp_path, "val", multi_label=True)) == 4
    write_planes(tmp_path / "other", masks, pattern="{stem}_{name}.png")
    (tmp_path / "other" / "few.txt").write_text("3\n1\n")
    folder = from_folder(tmp_path / "other", "few", multi_label=True)
    assert [pair.stem for pair in folder.pairs] == ["3", "1"]
    np.testing.assert_array_equal(folder[0][1], masks[3][..., [2, 0, 1]])


def test_names_that_hold_others(tmp_path):
    # 1_road may be the class road of image 1, or an image of its own.
    masks = [stack(i) for i in range(2)]
    write_planes(tmp_path, masks, ("a_b", "b", "c"), "{stem}_{name}.png")
    image(tmp_path / "images" / "0_a.png")
    error = refused(tmp_path, skip_unlabeled=True)
    assert error.code == "KS-D002"
    assert "the class a_b of 0 or the class b of 0_a" in error.found
    table = label_table(("a_b", "c"))
    (tmp_path / "labels" / "0_b.png").unlink()
    (tmp_path / "labels" / "1_b.png").unlink()
    folder = from_folder(
        tmp_path, multi_label=True, class_table=table, skip_unlabeled=True
    )
    np.testing.assert_array_equal(folder[0][1], masks[0][..., [0, 2]])


def test_missing_files_mean_what_is_said(tmp_path):
    masks = [stack(i) for i in range(2)]
    write_planes(tmp_path, masks)
    (tmp_path / "labels" / "car" / "1.png").unlink()
    error = refused(tmp_path)
    assert error.code == "KS-D004" and "of the class car" in error.found
    for means, value in (("absent", 0), ("void", 255)):
        folder = from_folder(tmp_path, multi_label=True, missing_classes=means)
        mask = folder[1][1]
        assert (mask[..., 0] == value).all()
        np.testing.assert_array_equal(mask[..., 1:], masks[1][..., :2])
    image(tmp_path / "images" / "2.png")
    assert refused(tmp_path, missing_classes="void").code == "KS-D004"
    folder = from_folder(tmp_path, multi_label=True, missing_classes="absent")
    assert not folder[2][1].any() and folder[2][1].shape == (8, 10, 3)
    with pytest.raises(ValueError, match="`missing_classes` must be"):
        from_folder(tmp_path, multi_label=True, missing_classes="none")
    with pytest.raises(ValueError, match="needs multi_label"):
        from_folder(tmp_path, missing_classes="void")


def test_black_and_white_is_refused_and_mapped(tmp_path):
    masks = [stack(i) % 2 * 255 for i in range(2)]
    masks[0][..., 1] = stack(1)[..., 1]  # one class is right
    write_planes(tmp_path, masks)
    error = refused(tmp_path)
    # Of the planes of vehicle one is right; car is the first of the others.
    assert error.code == "KS-D003" and "for the class car" in error.found
    assert error.file == str(tmp_path / "labels" / "car" / "0.png")
    masks[0][..., 1] = masks[1][..., 1]
    write_planes(tmp_path, masks)
    folder = from_folder(tmp_path, multi_label=True, mask_values={0: 0, 255: 1})
    for i, mask in enumerate(masks):
        np.testing.assert_array_equal(folder[i][1], mask[..., [2, 0, 1]] > 0)


@pytest.mark.parametrize("split", [False, True])
def test_an_index_has_one_color_in_each_class(tmp_path, split):
    """Else a plane may be the reverse of others."""
    plane = np.eye(8, 10, dtype="uint8")
    parts = ("train", "val") if split else ("", "")
    for i, (part, stem) in enumerate(zip(parts, "10", strict=True)):
        write_planes(tmp_path / part, [plane[..., None]], ["road"])
        file = tmp_path / part / "labels/road/0.png"
        mask = Image.fromarray(plane ^ i)
        mask.putpalette([i * 255] * 3 + [255 - i * 255] * 3)
        mask.save(file)
        for kind in ("labels/road", "images"):
            file = tmp_path / part / kind / "0.png"
            file.rename(file.with_stem(stem))
    report = check(tmp_path, multi_label=True)
    (finding,) = report.of("error")
    assert finding.code == "KS-D014" and "for the index" in finding.found
    if split:
        with pytest.raises(DataError, match="KS-D014 .*all masks of a class"):
            convert(tmp_path, tmp_path / "b", "coco", multi_label=True)
        return
    error = refused(tmp_path)
    assert error.code == "KS-D014" and "with one palette" in error.fix
    values = {0: 0, 1: 1}
    assert len(from_folder(tmp_path, multi_label=True, mask_values=values)) == 2


def test_palettes_of_stacks(tmp_path):
    """A page has its own; other classes have other colors."""
    for i in range(2):
        image(tmp_path / f"images/{i}.png", (1, 2))
        mask = [Image.new("P", (2, 1), 1) for _ in range(2)]
        for k, one in enumerate(mask):
            one.putpalette([0, 0, 0, 9 + k + i * k, 0, 0])
        (tmp_path / "labels").mkdir(exist_ok=True)
        mask[0].save(
            tmp_path / f"labels/{i}.tif", save_all=True, append_images=mask[1:]
        )
        if i == 0:
            from_folder(tmp_path, multi_label=True)
    error = refused(tmp_path)
    assert "the color (11, 0, 0) for the index 1" in error.found


IDS = hnp.arrays(
    "uint8",
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    elements=st.sampled_from([0, 3, 7, 255]),
)


@given(IDS)
def test_ids_that_stand_for_classes(tmp_path_factory, ids):
    path = tmp_path_factory.mktemp("regions")
    write(path, [ids])
    values = {0: (), 3: (0, 2), 7: 1, 255: 255}
    assert parse_mask_values("0:,3:0+2,7:1,255:255") == values
    folder = from_folder(path, multi_label=True, mask_values=values)
    assert folder.layout == "ids in labels that stand for classes"
    mask, void = folder[0][1], ids == 255
    assert mask.shape == (*ids.shape, 3) and (mask[void] == 255).all()
    for k, value in enumerate((3, 7, 3)):
        np.testing.assert_array_equal(mask[~void, k], ids[~void] == value)


def test_ids_that_stand_for_classes_are_of_one_channel(tmp_path):
    values = {0: (), 1: (0, 1), 255: 255}
    write(tmp_path / "stacks", [stack()])
    assert refused(tmp_path / "stacks", mask_values=values).code == "KS-D039"
    write_planes(tmp_path / "files", [stack()])
    with pytest.raises(ValueError, match="a file for each class"):
        from_folder(tmp_path / "files", multi_label=True, mask_values=values)
    write(tmp_path / "ids", [stack()[..., 0] * 2])
    for wrong in ({0: ()}, {0: (), 1: ("a",)}, {-1: (0,)}):
        with pytest.raises(ValueError, match="`mask_values` must"):
            from_folder(tmp_path / "ids", multi_label=True, mask_values=wrong)
    error = refused(tmp_path / "ids", mask_values=values)
    assert error.code == "KS-D003" and "has the values 2" in error.found
    with pytest.raises(ValueError, match="`mask_values` must be"):
        from_folder(tmp_path / "ids", mask_values=values)


def test_void_of_the_class_table(tmp_path):
    mask = stack()
    write(tmp_path, [np.where(mask == 255, 9, mask)])
    table = label_table(NAMES)
    table = ClassTable(table.names, table.colors, frozenset({1, 9} - {1}))
    folder = from_folder(tmp_path, multi_label=True, class_table=table)
    np.testing.assert_array_equal(folder[0][1], mask)


def both(path):
    write(path, [stack()])
    write_planes(path, [stack()])


def suffixes_beside_stacks(path):
    write_planes(path, [stack()], pattern="{stem}_{name}.png")
    np.save(path / "labels" / "0.npy", stack())


def other_size(path):
    write_planes(path, [stack()])
    Image.new("L", (4, 5)).save(path / "labels" / "road" / "0.png")


def planes_first(path):
    write(path, [stack()])
    np.save(path / "labels" / "0.npy", np.moveaxis(stack(), -1, 0))


def other_planes(path):
    write(path, [stack(), stack(planes=2)])


def ids(path):
    write(path, [stack()])
    np.save(path / "labels" / "0.npy", stack()[..., 0] * 3)


def scores(path):
    write(path, [stack()])
    np.save(path / "labels" / "0.npy", stack() / 7)


def bit_planes(path):
    write(path, [])
    image(path / "images" / "0.png")
    Image.fromarray(stack()[..., 0] % 4).save(path / "labels" / "0.png")


def colors(path):
    write(path, [])
    image(path / "images" / "0.png")
    Image.fromarray(stack()).save(path / "labels" / "0.png")


def two_arrays(path):
    write(path, [stack()], "npz")
    np.savez(path / "labels" / "0.npz", stack(), stack())


def jpeg_tiff(path):
    write(path, [stack()], "bands")
    Image.fromarray(stack()).save(path / "labels" / "0.tif", compression="jpeg")


def no_image(path):
    write_planes(path, [stack()], pattern="{stem}_{name}.png")
    Image.new("L", (10, 8)).save(path / "labels" / "x_road.png")


@pytest.mark.parametrize(
    ("make", "code", "text"),
    [
        (both, "KS-D002", "has the file 0.npy beside the folder car"),
        (suffixes_beside_stacks, "KS-D002", "an image with car behind it"),
        (other_size, "KS-D006", "is 4x5 and its image 0.png 10x8"),
        (planes_first, "KS-D006", "has the shape (3, 8, 10), planes first"),
        (other_planes, "KS-D039", "has 2 planes"),
        (ids, "KS-D003", "ids of classes, one for each pixel"),
        (bit_planes, "KS-D003", "or bits, one for each class"),
        (scores, "KS-D007", "has float64 values"),
        (colors, "KS-D007", "has colors"),
        (two_arrays, "KS-D017", "has 2 arrays"),
        (jpeg_tiff, "KS-D008", "is compressed as JPEG"),
        (no_image, "KS-D005", "has no image of its stem"),
    ],
)
def test_refused(make, code, text, tmp_path):
    make(tmp_path)
    error = refused(tmp_path)
    assert error.code == code and text in str(error)


def test_names_of_classes(tmp_path):
    write_planes(tmp_path, [stack()])
    error = refused(tmp_path, class_table=label_table(("road", "car")))
    assert error.code == "KS-D015" and "class vehicle" in error.found
    assert refused(tmp_path, class_table=2).code == "KS-D015"
    with pytest.raises(ValueError, match="which would both be in a_b"):
        label_folders(("a/b", "a:b"))


def test_stacks_have_no_missing_files(tmp_path):
    write(tmp_path, [stack()])
    with pytest.raises(ValueError, match="are stacks"):
        from_folder(tmp_path, multi_label=True, missing_classes="void")


@given(
    hnp.arrays(
        "uint8",
        st.tuples(*[st.integers(1, 5)] * 3),
        elements=st.sampled_from([0, 1, 255]),
    ),
    st.sampled_from(["npy", "npz", "pages of tifffile"]),
)
def test_any_stack_comes_back(tmp_path_factory, mask, kind):
    path = tmp_path_factory.mktemp("stack")
    folder = from_folder(
        write(path, [mask], kind), multi_label=True, check=False
    )
    np.testing.assert_array_equal(folder[0][1], mask)
