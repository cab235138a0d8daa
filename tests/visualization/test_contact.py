import numpy as np
import pytest

from keras_seg.visualization import contact_sheet

pytestmark = pytest.mark.once

RED = np.full((20, 30, 3), (250, 10, 10), "uint8")
BLUE = np.full((30, 10, 3), (10, 10, 250), "uint8")


def where(sheet, color):
    return np.argwhere((sheet == color).all(-1))


def test_pictures_lie_unchanged_in_the_middle_of_their_boxes():
    sheet = contact_sheet([[RED, BLUE]], ["a"], box=(30, 30))
    red, blue = where(sheet, RED[0, 0]), where(sheet, BLUE[0, 0])
    assert len(red) == 20 * 30 and len(blue) == 30 * 10
    # A bar of 24 for the title, 12 around it, 4 between the two.
    assert red.min(0).tolist() == [12 + 24 + 5, 12]
    assert blue.min(0).tolist() == [12 + 24, 12 + 30 + 4 + 10]
    assert sheet.shape == (12 + 24 + 30 + 12, 12 + 64 + 12, 3)


def test_groups_fill_rows_of_columns():
    rows = [[RED] for _ in range(5)]
    sheet = contact_sheet(rows, "abcde", columns=2, box=(20, 30))
    assert sheet.shape == (12 + 3 * (24 + 20 + 12), 12 + 2 * (30 + 12), 3)
    assert len(where(sheet, RED[0, 0])) == 5 * 20 * 30


def test_a_mark_frames_its_group_alone():
    rows = [[BLUE], [BLUE]]
    sheet = contact_sheet(rows, ["a", "b"], ["", "X"], box=(30, 60))
    assert where(sheet, (196, 30, 45))[:, 1].min() == 12 + 60 + 12 - 3
    assert not where(contact_sheet(rows, ["a", "b"]), (196, 30, 45)).size


def test_heading_key_and_what_is_missing():
    plain = contact_sheet([[None]], ["a"], box=(60, 150))
    key = np.full((200, 40, 3), (1, 2, 3), "uint8")
    sheet = contact_sheet(
        [[None]], ["a"], heading="A heading", key=key, box=(60, 150)
    )
    assert sheet.shape == (12 + 40 + 200 + 12, plain.shape[1] + 40 + 12, 3)
    assert len(where(sheet, (1, 2, 3))) == 200 * 40
    assert (plain < 120).any()  # the words in the empty box


def test_a_long_title_stays_in_its_group():
    rows, box = [[RED], [None]], (30, 80)
    short = contact_sheet(rows, ["", ""], box=box)
    long = contact_sheet(rows, ["folder/" * 30 + "1.png", ""], box=box)
    changed = np.argwhere((short != long).any(-1))
    assert changed.size and changed[:, 1].max() < 12 + 80


@pytest.mark.parametrize(
    "arguments",
    [([], []), ([[RED]], []), ([[RED]], ["a"], ["x", "y"])],
)
def test_counts_that_do_not_agree(arguments):
    with pytest.raises(ValueError, match="Received: "):
        contact_sheet(*arguments)


def test_a_picture_that_exceeds_its_box():
    with pytest.raises(ValueError, match="exceed `box`"):
        contact_sheet([[RED]], ["a"], box=(10, 30))
