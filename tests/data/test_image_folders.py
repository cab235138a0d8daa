import pathlib

import numpy as np
import pytest
from PIL import Image

from keras_seg.cli.predict_plan import output_names
from keras_seg.data import find_images
from keras_seg.data.image_folders import find_remote
from keras_seg.data.remote import RemoteImage
from keras_seg.data.remote import place

pytestmark = pytest.mark.once


def test_images_have_the_scheme_that_they_were_asked_for(store):
    for name in ("b.png", "sub/a.png", ".c/c.png"):
        store.put_object(Bucket="images", Key=f"scheme/{name}", Body=b"")
    for scheme in ("s3", "s3a"):
        for ending in ("", "/"):
            address = f"{scheme}://images/scheme"
            found = find_remote(place(address + ending))
            names = [f"{address}/b.png", f"{address}/sub/a.png"]
            assert list(map(str, found)) == names
            assert all(isinstance(image, RemoteImage) for image in found)
            assert output_names([address], pathlib.Path("out"), True) == {
                found[0]: "b",
                found[1]: "sub/a",
            }


GRAY, COLOR = (np.eye(4, dtype="uint8"), np.zeros((4, 4, 3), "uint8"))

# Files, masks with a minus before them.
LAYOUTS = (
    "images/a.jpg images/b.jpg -labels/a.png -labels/b.png -labels/stray.png",
    "images/train/a.jpg -masks/train/a_mask.png test/images/c.jpg "
    "-test/labels/c.png",
    "JPEGImages/a.jpg -SegmentationClass/a.png -SegmentationObject/a.png",
    "day/a.jpg -day/masks/a.png",
    "images/a.jpg -labels/road/a.png -labels/car/a.png",
    "images/val/a.jpg -labels/val/road/a.png b/a.jpg -b/masks/car/a.png",
    "images/a_1.jpg -labels/a_1_road.png -labels/a_1-car.png",
    "a.jpg -a.png b.jpg -b_mask.png c.png -c-label.png -c_MASKS.tif",
    "leftImg8bit/val/b/b_0_leftImg8bit.png "
    "-gtFine/val/b/b_0_gtFine_labelIds.png -gtFine/val/b/b_0_gtFine_color.png",
    "img_dir/train/a.jpg -ann_dir/train/a_ids.png",
    "train/a.png -trainannot/a.png test/b.png -testannot/b.png",
    # Their names or places say nothing, or there is no image.
    "images/a.jpg labels/b.png a_mask.png map/a.png mask.png",
    "a.jpg a.webp b_mask.jpg masks/b.png",
)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_masks_beside_images_are_left_out(layout, tmp_path):
    images, masks = set(), set()
    for name in layout.split():
        file = tmp_path / name.removeprefix("-")
        file.parent.mkdir(parents=True, exist_ok=True)
        is_mask = name.startswith("-")
        Image.fromarray(GRAY if is_mask else COLOR).save(file)
        (masks if is_mask else images).add(file)
    found: list = []
    assert set(find_images([tmp_path], masks=found)) == images
    assert set(found) == masks
    # A folder or a file that was named itself is what was asked for.
    for mask in masks:
        assert find_images([mask]) == [mask]
    for folder in {mask.parent for mask in masks} - {x.parent for x in images}:
        assert set(find_images([folder])) <= masks
