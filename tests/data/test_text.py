import csv

import pytest

from keras_seg.data import DataError
from keras_seg.data.text import brief
from keras_seg.data.text import parse_id
from keras_seg.data.text import read_json
from keras_seg.data.text import read_rows
from keras_seg.data.text import read_text
from keras_seg.data.text import read_yaml

pytestmark = pytest.mark.once


def message(function, path, content):
    path.write_bytes(
        content if isinstance(content, bytes) else content.encode()
    )
    with pytest.raises(DataError) as caught:
        function(path)
    assert caught.value.code == "KS-D013"
    return str(caught.value).replace(str(path.parent), "DATA")


def test_byte_order_mark(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"\xef\xbb\xbf[1]")
    assert read_json(path) == [1] and read_text(path) == "[1]"


def test_not_text(tmp_path):
    for function in (read_text, read_json, read_yaml):
        assert message(function, tmp_path / "a", b"\xff\xfe\x00") == (
            "KS-D013  DATA/a cannot be read as UTF-8 text; a text file is "
            "expected. Fix: correct the path, or write the file again as "
            "UTF-8."
        )
    with pytest.raises(DataError, match="KS-D013"):
        read_text(tmp_path / "none")


def test_json(tmp_path):
    path = tmp_path / "a.json"
    assert message(read_json, path, '{\n"a": }') == (
        "KS-D013  DATA/a.json is not JSON on line 2, column 6 (Expecting "
        "value); a complete JSON file is expected. Fix: export it again."
    )
    assert "holds NaN;" in message(read_json, path, "[NaN]")
    assert "is nested too deeply;" in message(read_json, path, "[" * 100000)
    # Python refuses to read so long a number, as ValueError.
    assert "a number of thousands of digits;" in message(
        read_json, path, "9" * 5000
    )


def test_rows_where_a_long_has_32_bits(tmp_path, monkeypatch):
    """As on Windows."""
    set_limit = csv.field_size_limit

    def limited(size):
        assert size < 2**31
        return set_limit(size)

    monkeypatch.setattr(csv, "field_size_limit", limited)
    path = tmp_path / "list.csv"
    path.write_text("image, name\n1.png, a\n")
    assert read_rows(path) == [{"image": "1.png", "name": "a"}]


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("007", 7), ("999999999", 999999999)]
    + [(t, None) for t in ("", "-1", "+1", "1_0", "1.0", " 1", "²", "٣")]
    + [("9" * 10, None), ("9" * 5000, None)],
)
def test_parse_id(text, number):
    assert parse_id(text) == number


def test_yaml_of_many_names_is_refused(tmp_path):
    path = tmp_path / "data.yaml"
    path.write_text("names: [" + "a, " * 400_000 + "]")
    with pytest.raises(DataError, match="has 1,200,009 bytes; at most 1,048"):
        read_yaml(path)


def test_yaml(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a: [1, x]\n0: {b: 2.5}\n")
    assert read_yaml(path) == {"a": [1, "x"], 0: {"b": 2.5}}
    assert message(read_yaml, path, "a: 1\nb: [").startswith(
        "KS-D013  DATA/a.yaml is not plain YAML on line 2"
    )
    assert "on line 3 (the key 'a' again" in message(
        read_yaml, path, "a: 1\nb: 2\na: 3\n"
    )
    assert "the key [1]" in message(read_yaml, path, "? [1]\n: 2\n")
    for text in (
        "!!python/object/apply:os.getcwd []",
        "a: &a {x: 1}\nb: {<<: *a}",
        "a: 2001-13-01",
        "[" * 3000,
    ):
        message(read_yaml, path, text)


def test_nested_aliases_stay_small(tmp_path):
    # Each line doubles: written out, this would be 10^9 numbers.
    lines = ["a0: &a0 [0]"]
    lines += [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 31)]
    path = tmp_path / "a.yaml"
    path.write_text("\n".join(lines))
    content = read_yaml(path)
    assert content["a30"][0] is content["a30"][1]
    assert len(brief(content)) < 300
