import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from keras_seg import visualization
from keras_seg.data import from_folder
from keras_seg.data.stacks import label_table

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
