import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from keras_seg import visualization
from keras_seg.data import from_folder
from keras_seg.data import synthetic
from keras_seg.data import voc_colormap
from keras_seg.data.stacks import label_table
from keras_seg.visualization.planes import stripes
from keras_seg.visualization.sheets import class_counts

pytestmark = pytest.mark.once

VALUES = st.sampled_from([0, 1, 255])


@settings(max_examples=30)
@given(st.data())
def test_written_masks_are_read_back(tmp_path_factory, data):
    names = data.draw(
        st.lists(
            st.text("abcä /:.?_-1", min_size=1, max_size=5),
            min_size=1,
            max_size=4,
            unique_by=lambda name: "".join(
                x if x in "abcä1-" else "_" for x in name
            ),
        )
    )
    shape = st.tuples(st.integers(1, 9), st.integers(1, 9))
    shape = (*data.draw(shape), len(names))
    mask = data.draw(hnp.arrays("int32", shape, elements=VALUES))
    path = tmp_path_factory.mktemp("labels")
    table = label_table(names)
    visualization.save_label_masks(path / "labels", "a.b", mask, table)
    (path / "images").mkdir()
    Image.new("RGB", shape[1::-1]).save(path / "images" / "a.b.png")
    folder = from_folder(path, multi_label=True, class_table=table, check=False)
    np.testing.assert_array_equal(folder[0][1], mask)


def test_other_values_are_refused(tmp_path):
    table = label_table(("a", "b"))
    with pytest.raises(ValueError, match="must hold 0, 1"):
        visualization.save_label_masks(
            tmp_path, "0", np.full((2, 2, 2), 3), table
        )
    with pytest.raises(ValueError, match=r"\(height, width, 2\)"):
        visualization.save_label_masks(
            tmp_path, "0", np.eye(2, dtype=int), table
        )
    assert not list(tmp_path.iterdir())


def one_hot(ids, classes):
    """The planes of ids 1, 2, … without the background, void in all."""
    planes = (ids[..., None] == np.arange(1, classes)).astype("uint8")
    planes[ids == 255] = 255
    return planes


IDS = hnp.arrays(
    "uint8",
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    elements=st.sampled_from([0, 1, 2, 255]),
)
COLORS = [(0, 0, 0), (200, 40, 9), (7, 90, 230)]


@given(IDS, st.integers(0, 99))
def test_without_overlaps_pictures_are_those_of_ids(ids, seed):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (*ids.shape, 3), "uint8")
    planes = one_hot(ids, 3)
    np.testing.assert_array_equal(
        visualization.overlay(image, planes, COLORS[1:]),
        visualization.overlay(image, ids, COLORS),
    )
    np.testing.assert_array_equal(
        visualization.colorize(planes, COLORS[1:]),
        visualization.colorize(ids, COLORS),
    )
    found = rng.integers(0, 3, ids.shape)
    np.testing.assert_array_equal(
        visualization.errors(image, planes, one_hot(found, 3)),
        visualization.errors(image, ids, found),
    )


@given(
    hnp.arrays("uint8", st.tuples(*[st.integers(1, 8)] * 3), elements=VALUES)
)
def test_a_pixel_shows_one_of_its_classes(planes):
    shown, count = stripes(planes)
    np.testing.assert_array_equal(count, (planes == 1).sum(-1))
    np.testing.assert_array_equal(shown == -1, count == 0)
    for row, column in np.argwhere(count):
        assert planes[row, column, shown[row, column]] == 1


def test_every_class_of_an_area_is_seen_and_outlined():
    planes = np.zeros((80, 80, 4), "uint8")
    planes[10:70, 10:70, [0, 2, 3]] = 1
    colors = voc_colormap(5)[1:]
    shown = set(map(tuple, visualization.colorize(planes, colors)[40]))
    assert shown == {(0, 0, 0), *(tuple(colors[k]) for k in (0, 2, 3))}
    planes[30:40, 30:40, 1] = 1  # A small one, inside of all others.
    drawn = visualization.overlay(np.zeros((80, 80, 3)), planes, colors)
    light = np.rint(0.4 * 255 + 0.6 * colors[1].astype(float))
    assert (drawn[30, 30:40] == light).all()


def test_galleries_and_comparisons_of_several_labels():
    images, masks = synthetic.cells(2, size=64)
    table = synthetic.CELL_CLASSES
    found = np.where(masks == 255, 0, masks)
    examples = [(str(i), images[i], masks[i], found[i]) for i in range(2)]
    sheet = visualization.comparison(examples, table)
    assert sheet.shape[0] > 2 * 64
    one = [example[:3] for example in examples]
    for names in (table, None):
        assert visualization.gallery(one, names).shape[0] > 180
    picture = visualization.overlay_with_legend(images[0], masks[0], table)
    assert picture.shape[1] > 64
    counts, known = class_counts(masks[0], 3)
    # Void of one class says nothing about another.
    for k in range(3):
        assert counts[k] == (masks[0, ..., k] == 1).sum()
        assert known[k] == (masks[0, ..., k] != 255).sum()
