import numpy as np
import pytest
from PIL import Image

from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data import check
from keras_seg.data import from_folder
from keras_seg.data import from_stack

pytestmark = pytest.mark.once


def write(path, masks, images=None):
    """`path/images` and `path/labels`, one pair for each mask."""
    (path / "images").mkdir(parents=True)
    (path / "labels").mkdir()
    for i, mask in enumerate(masks):
        mask = np.asarray(mask, "uint8")
        image = np.full((*mask.shape[:2], 3), i, "uint8")
        Image.fromarray(mask).save(path / f"labels/{i}.png")
        Image.fromarray(image).save(path / f"images/{i}.png")
    return path


def message(path, code, **options):
    with pytest.raises(DataError) as caught:
        from_folder(path, **options)
    assert caught.value.code == code
    return str(caught.value).replace(str(path), "DATA")


def test_sequence(tmp_path):
    folder = from_folder(write(tmp_path, [[[0, 1]], [[1, 255]], [[2, 0]]]))
    assert len(folder) == 3
    assert folder.class_table == ClassTable.default(3)
    assert [pair.stem for pair in folder.pairs] == ["0", "1", "2"]
    image, mask = folder[1]
    assert image.dtype == mask.dtype == np.uint8
    assert image.tolist() == [[[1, 1, 1], [1, 1, 1]]]
    assert mask.tolist() == [[1, 255]]
    assert folder[-1][1].tolist() == [[2, 0]]
    with pytest.raises(IndexError):
        folder[3]
    assert [mask.tolist() for _, mask in folder] == [
        [[0, 1]],
        [[1, 255]],
        [[2, 0]],
    ]
    assert folder.size(0) == (1, 2)


def test_subset(tmp_path):
    folder = from_folder(write(tmp_path, [[[0, 1]], [[1, 1]], [[2, 0]]]))
    part = folder.subset([2, 0])
    assert [pair.stem for pair in part.pairs] == ["2", "0"]
    assert part.class_table is folder.class_table
    assert part[0][1].tolist() == [[2, 0]]
    assert part.check() is part


def test_classes(tmp_path):
    path = write(tmp_path / "train", [[[0, 1, 9, 255]]])
    table = ClassTable(("a", "b"), ((1, 2, 3), (4, 5, 6)), frozenset({9}))
    table.write(tmp_path / "classes.csv")
    for folder in (from_folder(path), from_folder(tmp_path, "train")):
        assert folder.class_table == table
        assert folder[0][1].tolist() == [[0, 1, 255, 255]]
    assert from_folder(path, class_table=10).class_table == ClassTable.default(
        10
    )
    given = ClassTable(("x",) * 2, ((0, 0, 0),) * 2, frozenset({9}))
    assert from_folder(path, class_table=given).class_table is given


def test_id_outside(tmp_path):
    path = write(tmp_path, [[[0, 1]], [[0, 2]], [[0, 3]]])
    text = (
        "KS-D003  DATA/labels/1.png has the ids 0, 2; the data set has 2 "
        "classes: 0..1, and 255 for void. One class may be missing from the "
        "table. Fix: give every id a line in classes.csv (role 'void' to "
        "ignore it), or renumber the masks."
    )
    assert message(path, "KS-D003", class_table=2) == text
    folder = from_folder(path, class_table=2, check=False)
    folder[0]
    for call in (folder.check, lambda: folder[1]):
        with pytest.raises(DataError) as caught:
            call()
        assert str(caught.value).replace(str(path), "DATA") == text


def test_black_and_white(tmp_path):
    path = write(tmp_path, [[[0, 0]], [[0, 255]], [[255, 0]]])
    guess = (
        "The masks (3 read) hold nothing but 0 and 255: they look like "
        "black-and-white masks, not like void. Fix: read them with "
        "mask_values={0: 0, 255: 1}, on the command line "
        "--mask-values 0:0,255:1."
    )
    assert message(path, "KS-D003", class_table=2) == (
        "KS-D003  DATA/labels/1.png has the ids 0, 255; the data set has 2 "
        f"classes: 0..1, and 255 for void. {guess}"
    )
    # Without a table they could be nothing else, whatever `check` is.
    assert message(path, "KS-D003", check=False) == (
        "KS-D003  DATA/labels/1.png has the ids 0, 255; ids are 0..C-1, 255 "
        f"is void. {guess}"
    )


def test_one_mask_with_colors_says_nothing_of_gray_ones(tmp_path):
    path = write(tmp_path, [[[0, 255]], [[0, 255]]])
    colors = np.array([[[0] * 3, [255] * 3]], "uint8")
    Image.fromarray(colors).save(path / "labels/0.png")
    (path / "classes.csv").write_text(
        "id,name,r,g,b\n0,wall,0,0,0\n1,crack,255,255,255\n"
    )
    text = message(path, "KS-D003")
    assert text.startswith("KS-D003  DATA/labels/1.png has the ids 0, 255;")
    assert "The masks (1 read)" in text
    (finding,) = check(path).of("error")
    assert (finding.code, finding.count) == ("KS-D003", 1)


def test_colors_are_not_black_and_white(tmp_path):
    """One class and void, as colors, cannot be a mask of 0 and 255."""
    void, sky = (9, 9, 9), (0, 0, 255)
    path = write(tmp_path, [[[0, 0]], [[0, 0]]])
    for name, colors in (("0", [sky, void]), ("1", [void, sky])):
        Image.fromarray(np.array([colors], "uint8")).save(
            path / "labels" / f"{name}.png"
        )
    (path / "classes.csv").write_text(
        "id,name,r,g,b,role\n0,sky,0,0,255,class\n1,road,0,255,0,class\n"
        "255,void,9,9,9,void\n"
    )
    assert from_folder(path)[1][1].tolist() == [[255, 0]]
    assert "KS-D003" not in {f.code for f in check(path).findings}


def test_the_fix_for_black_and_white_works(tmp_path):
    path = write(tmp_path, [[[0, 255]], [[255, 0]]])
    folder = from_folder(path, mask_values={0: 0, 255: 1})
    assert folder[0][1].tolist() == [[0, 1]]
    assert folder.subset([1])[0][1].tolist() == [[1, 0]]
    assert folder.class_table == ClassTable.default(2)


def test_sizes_differ(tmp_path):
    path = write(tmp_path, [[[0, 1]], [[0, 1]]])
    image = Image.fromarray(np.zeros((5, 4, 3), "uint8"))
    image.save(path / "images/1.png")
    assert message(path, "KS-D006") == (
        "KS-D006  DATA/labels/1.png is 2x1 and its image 1.png 4x5; an image "
        "and its mask have one size. Fix: make the mask again from this "
        "image, or resize it by nearest."
    )
    image = Image.fromarray(np.zeros((2, 1, 3), "uint8"))
    image.save(path / "images/1.png")
    assert (
        "one size. One of them is turned: a camera's EXIF orientation may be "
        "in the image only. Fix:"
    ) in message(path, "KS-D006")


def test_rgb_mask(tmp_path):
    path = write(tmp_path, [[[0, 1]], [[[0, 0, 0], [128, 0, 0]]]])
    expected = (
        "KS-D007  DATA/labels/1.png has mode RGB with 2 different colors; a "
        "mask has one channel of class ids, or colors that classes.csv "
        "names. The classes look coded as colors: (0, 0, 0), (128, 0, 0). "
        "Fix: give every class its color in the columns r, g and b of "
        "classes.csv, or replace every color by its id."
    )
    assert message(path, "KS-D007") == expected
    assert message(path, "KS-D007", class_table=2) == expected


@pytest.mark.parametrize("name", ["images", "labels"])
def test_truncated(tmp_path, name):
    path = write(tmp_path, np.random.default_rng(0).integers(0, 9, (3, 40, 40)))
    file = path / name / "1.png"
    half = file.stat().st_size // 2
    file.write_bytes(file.read_bytes()[:half])
    assert message(path, "KS-D009", class_table=9) == (
        f"KS-D009  DATA/{name}/1.png is incomplete or damaged ({half} bytes); "
        "a complete PNG, JPEG, TIFF, BMP, WEBP or GIF file is expected. "
        "Fix: copy the file again from its source, or remove it."
    )


def test_the_first_error_is_raised(tmp_path):
    path = write(tmp_path, [[[0, 1]]] * 200)
    for i in (150, 60, 199):
        (path / f"images/{i}.png").write_bytes(b"")
    # Sorted as text, 150 comes before 60.
    assert "images/150.png is not an image" in message(path, "KS-D009")


def test_camvid(data_dir):
    train = from_folder(data_dir / "camvid", "train", check=False)
    val = from_folder(data_dir / "camvid", "val")
    assert (len(train), len(val)) == (367, 101)
    assert len(train.class_table) == 11 and train.class_table == val.class_table
    assert train.pairs[0].stem == "0001TP_006690"
    image, mask = train[0]
    assert image.shape == (360, 480, 3) and mask.shape == (360, 480)
    ids = set().union(*(np.unique(val[i][1]) for i in range(0, 101, 20)))
    assert 255 in ids and 11 not in ids and max(ids - {255}) == 10
    assert train.subset(range(0, 367, 40)).check()


def test_isbi2012_em(data_dir, tmp_path):
    # Its masks are 0 and 255, and its classes.csv says so.
    path = data_dir / "isbi2012_em"
    assert message(path, "KS-D011", split="val") == (
        "KS-D011  DATA/classes.csv has on line 1 the columns value, name; "
        "the columns id and name are needed, r, g, b and role are optional. "
        "Fix: write a header 'id,name' or 'id,name,r,g,b,role' and a class a "
        "line."
    )
    guess = (
        "The masks (24 read) hold nothing but 0 and 255: they look like "
        "black-and-white masks, not like void."
    )
    text = message(path, "KS-D003", class_table=2)
    assert text.startswith("KS-D003  DATA/labels/00.png has the ids 0, 255;")
    assert guess in text
    for name in ("images", "labels"):
        (tmp_path / name).symlink_to(path / name)
    assert guess in message(tmp_path, "KS-D003")


def test_horses(data_dir):
    folder = from_folder(data_dir / "horses", "train")
    assert len(folder) == 120
    assert folder.class_table.names == ("background", "horse")
    image, mask = folder[0]
    assert image.shape[:2] == mask.shape == folder.size(0)
    assert set(np.unique(mask)) == {0, 1}
    message(data_dir / "horses", "KS-D002")


def write_stack(path, pages):
    first, *rest = [Image.fromarray(page) for page in pages]
    first.save(path, save_all=True, append_images=rest)
    return path


def test_stacks(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (12, 5, 6), "uint8")
    labels = rng.integers(0, 2, (12, 5, 6), "uint8")
    stacks = (
        write_stack(tmp_path / "x.tif", images),
        write_stack(tmp_path / "y.tif", labels),
    )
    folder = from_stack(*stacks)
    assert len(folder) == 12 and folder.class_table == ClassTable.default(2)
    assert [folder.pairs[i].stem for i in (0, 11)] == ["x_00", "x_11"]
    assert folder.pairs[3].page == 3 and folder.size(3) == (5, 6)
    for i, (image, mask) in enumerate(folder):
        np.testing.assert_array_equal(image[..., 1], images[i])
        np.testing.assert_array_equal(mask, labels[i])
    np.testing.assert_array_equal(folder.subset([4])[0][1], labels[4])
    assert from_stack(*stacks, channels=1)[0][0].shape == (5, 6, 1)


def test_black_and_white_stacks(tmp_path):
    labels = np.array([[[0, 255]], [[255, 0]]], "uint8")
    stack = write_stack(tmp_path / "y.tif", labels)
    with pytest.raises(DataError, match="mask_values={0: 0, 255: 1}"):
        from_stack(stack, stack)
    folder = from_stack(stack, stack, mask_values={0: 0, 255: 1})
    assert folder[1][1].tolist() == [[1, 0]]


def test_stacks_of_16_bits(tmp_path):
    pages = np.array([[[0, 700]], [[65535, 257]]], "uint16")
    images, labels = write_stack(tmp_path / "x.tif", pages), tmp_path / "y.tif"
    write_stack(labels, (pages > 500).astype("uint8"))
    folder = from_stack(images, labels, channels=1)
    assert folder[1][0].dtype == np.float32
    assert folder[1][0].ravel().tolist() == [255.0, 1.0]


def test_stacks_that_are_none(tmp_path):
    pages = np.zeros((3, 2, 2), "uint8")
    one, two = write_stack(tmp_path / "x.tif", pages), tmp_path / "y.tif"
    write_stack(two, pages[:2])
    with pytest.raises(DataError) as caught:
        from_stack(one, two)
    assert str(caught.value) == (
        f"KS-D019  {two} has 2 pages and x.tif has 3; page i of the one "
        "belongs to page i of the other. Fix: export both stacks again from "
        "one volume."
    )
    with pytest.raises(DataError, match="KS-D009"):
        from_stack(one, tmp_path / "none.tif")
