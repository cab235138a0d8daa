import pathlib

import pytest

from keras_seg.data import DataError
from keras_seg.data.manifest import read_manifest
from keras_seg.data.remote import RemoteImage

pytestmark = pytest.mark.once


def named(path):
    return {
        str(image): str(name) for image, name in read_manifest(path).items()
    }


def test_names(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(
        "image, name ,more\na/1.png,,x\na/2.png, b ,\ns3://b/3.png\n/4.png,0,\n"
        "a/2.png,b\n"
    )
    assert named(path) == {
        f"{tmp_path}/a/1.png": "a/1",
        f"{tmp_path}/a/2.png": "b",
        "s3://b/3.png": "3",
        "/4.png": "0",
    }
    assert {type(image) for image in read_manifest(path)} == {
        RemoteImage,
        type(pathlib.Path()),
    }


@pytest.mark.parametrize(
    "text, said",
    (
        ("", "is no CSV"),
        ("image\n", "has 0 rows"),
        ("path\n1.png\n", "has 1 rows with the columns path"),
        ("image,name\n1.png,../1\n", "the name ../1"),
        ("image,name\n,1\n", "the image ''"),
        ("image,name\n1.png,a\n1.png,b\n", "1.png the names a and b"),
    ),
)
def test_refused(text, said, tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(text)
    with pytest.raises(DataError, match="list.csv .*Fix: ") as error:
        read_manifest(path)
    assert said in str(error.value)


def test_a_field_of_more_characters_than_csv_takes_by_default(tmp_path):
    path, name = tmp_path / "list.csv", 200_000 * "a"
    path.write_text(f"image,name\n1.png,{name}\n")
    assert named(path) == {f"{tmp_path}/1.png": name}


def test_numbers_as_names(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "list.parquet"
    images = ["1.png", "2.png", "3.png"]
    table = {"image": images, "name": [0, 7, None]}
    parquet.write_table(arrow.table(table), path)
    assert list(named(path).values()) == ["0", "7", "3"]
    parquet.write_table(arrow.table({**table, "name": [0.5, 1, 2]}), path)
    with pytest.raises(DataError, match="has the value 0.5"):
        read_manifest(path)
