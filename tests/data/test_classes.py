import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data import voc_colormap

pytestmark = pytest.mark.once


def read(tmp_path, text, name="classes.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return ClassTable.read(path)


def message(tmp_path, text, name="classes.csv"):
    with pytest.raises(DataError) as caught:
        read(tmp_path, text, name)
    assert caught.value.code == "KS-D011"
    assert caught.value.file == str(tmp_path / name)
    return str(caught.value).replace(str(tmp_path), "DATA")


def test_voc_colormap():
    # The palette of PASCAL VOC's development kit.
    colors = voc_colormap(256)
    assert colors.shape == (256, 3) and colors.dtype == np.uint8
    assert colors[15].tolist() == [192, 128, 128]  # person
    assert colors[20].tolist() == [0, 64, 128]  # tv monitor
    assert colors[255].tolist() == [224, 224, 192]  # void
    assert len(np.unique(colors, axis=0)) == 256
    with pytest.raises(ValueError, match="Received: n=257"):
        voc_colormap(257)


def test_voc_samples(data_dir):
    table = ClassTable.read(data_dir / "voc_samples" / "classes.csv")
    assert table.colors == tuple(map(tuple, voc_colormap(21).tolist()))
    assert len(table) == 21 and table.ignore_classes == {255}


def test_camvid(data_dir):
    table = ClassTable.read(data_dir / "camvid" / "classes.csv")
    assert len(table) == 11
    assert table.names[3] == "road" and table.colors[3] == (128, 64, 128)
    assert table.ignore_classes == {11}


def test_default():
    table = ClassTable.default(2)
    assert table.names == ("class 0", "class 1")
    assert table.colors == ((0, 0, 0), (128, 0, 0))
    assert table.ignore_classes == {255}


def test_rows_in_any_order_and_colors_completed(tmp_path):
    table = read(
        tmp_path,
        "\ufeffName, ID ,r,g,b\n"
        '"sky, clear",1,1,2,3\n\nroad,0,,,\nrest,9,,,\n'.replace(
            "rest,9,,,\n", "tree,2,,,\n"
        ),
    )
    assert table.names == ("road", "sky, clear", "tree")
    assert table.colors == ((0, 0, 0), (1, 2, 3), (0, 128, 0))
    assert table.ignore_classes == frozenset()


def test_void_roles(tmp_path):
    table = read(tmp_path, "id,name,role\n0,a,class\n1,b,Void\n255,c,ignore\n")
    assert table.names == ("a",) and table.ignore_classes == {1, 255}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("id,name,role\n0,a,\n1,b,ignored\n", "classes.csv"),
        ("- {id: 0, role: }\n- {id: 1, role: ignored}\n", "classes.yaml"),
    ],
)
def test_unknown_roles(tmp_path, text, name):
    assert "the role 'ignored'; a role is class or nothing, or" in message(
        tmp_path, text, name
    )


@given(
    st.lists(st.text("ab,\"' é", min_size=1, max_size=5), max_size=9),
    st.sets(st.integers(9, 300), max_size=3),
)
def test_round_trip(tmp_path_factory, names, ignore_classes):
    names = tuple(name.strip() or "x" for name in names) or ("x",)
    colors = tuple((i, 7, 255) for i in range(len(names)))
    table = ClassTable(names, colors, frozenset(ignore_classes))
    path = tmp_path_factory.mktemp("table") / "classes.csv"
    table.write(path)
    assert ClassTable.read(path) == table


def test_missing_columns(tmp_path):
    assert message(tmp_path, "value,name\n0,a\n") == (
        "KS-D011  DATA/classes.csv has on line 1 the columns value, name; "
        "the columns id and name are needed, r, g, b and role are optional. "
        "Fix: write a header 'id,name' or 'id,name,r,g,b,role' and a class "
        "a line."
    )
    assert "the columns (none);" in message(tmp_path, "")


@pytest.mark.parametrize("cell", ["x", "", "1.0", "-1", "٣"])
def test_not_an_integer(tmp_path, cell):
    assert message(tmp_path, f"id,name\n0,a\n{cell},b\n") == (
        f"KS-D011  DATA/classes.csv has on line 3 '{cell}' in the column id; "
        "an integer of 0 or more is needed there. Fix: correct the line."
    )


def test_a_line_without_an_id(tmp_path):
    assert "on line 3 '' in the column id" in message(
        tmp_path, "name,id\na,0\n# end\n"
    )


def test_color_not_an_integer(tmp_path):
    assert message(tmp_path, "id,name,r,g,b\n0,a,1,,3\n") == (
        "KS-D011  DATA/classes.csv has on line 2 '' in the column g; "
        "an integer of 0 or more is needed there. Fix: correct the line."
    )


def test_color_too_large(tmp_path):
    assert message(tmp_path, "id,name,r,g,b\n0,a,1,256,3\n") == (
        "KS-D011  DATA/classes.csv has on line 2 the color (1, 256, 3); "
        "red, green and blue are integers 0..255. "
        "Fix: correct the line, or leave r, g and b empty."
    )


def test_duplicate_id(tmp_path):
    assert message(tmp_path, "id,name\n0,a\n0,b\n") == (
        "KS-D011  DATA/classes.csv has on line 3 the id 0 again; "
        "every id comes once. Fix: remove one of the two lines."
    )


@pytest.mark.parametrize(
    ("ids", "listed", "guess"),
    [
        ([1, 2], "1, 2", ""),
        ([0, 2], "0, 2", ""),
        ([], "(none)", ""),
        (
            [0, 255],
            "0, 255",
            " These look like the values of black-and-white masks.",
        ),
        (range(256), "0, 1, 2, 3, 4, 5, ..., 253, 254, 255", ""),
    ],
)
def test_ids_with_gaps(tmp_path, ids, listed, guess):
    text = "id,name\n" + "".join(f"{i},a\n" for i in ids)
    mapping = ""
    if len(ids) == 2:
        values = f"{{{ids[0]}: 0, {ids[1]}: 1}}"
        mapping = f", or read them with mask_values={values}"
    assert message(tmp_path, text) == (
        f"KS-D011  DATA/classes.csv has the class ids {listed}; "
        f"ids must be 0..C-1 without a gap, C at most 255.{guess} Fix: "
        "number the classes from 0, give void ids the role 'void', and "
        f"renumber the masks too{mapping}."
    )


def test_ids_that_begin_with_void(tmp_path):
    # ADE20K: 0 is no class, 1..150 are.
    text = "id,name,role\n0,none,void\n" + "".join(
        f"{i},a,\n" for i in range(1, 151)
    )
    assert message(tmp_path, text).endswith(
        "or read them with mask_values={0: 255, 1: 0, 2: 1, 3: 2, ...}."
    )


def test_not_text(tmp_path):
    path = tmp_path / "classes.csv"
    for write in (None, lambda: path.write_bytes(b"\xff\xfe\x00")):
        if write:
            write()
        with pytest.raises(DataError) as caught:
            ClassTable.read(path)
        assert str(caught.value) == (
            f"KS-D011  {path} cannot be read as UTF-8 text; a class table "
            "has a header 'id,name' or 'id,name,r,g,b,role' and a class a "
            "line. Fix: write the table again as a UTF-8 text file."
        )


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: 0 classes"):
        ClassTable.default(0)
    with pytest.raises(ValueError, match="Received: 256 classes"):
        ClassTable.default(256)
    with pytest.raises(ValueError, match="Received: 0 classes"):
        ClassTable((), ())
    with pytest.raises(ValueError, match="Received: 0 colors, 1 names"):
        ClassTable(("a",), ())
    with pytest.raises(ValueError, match=r"Received: \[0\]"):
        ClassTable(("a",), ((0, 0, 0),), frozenset({0}))
    with pytest.raises(ValueError, match=r"Received: \[-1\]"):
        ClassTable(("a",), ((0, 0, 0),), frozenset({-1}))


@pytest.mark.parametrize(
    "text",
    [
        "names: [road, sky]",
        "names:\n  1: sky\n  0: road\n",
        "0: road\n1: sky\n",
        "- {id: 1, name: sky}\n- {id: 0, name: road}\n",
    ],
)
def test_yaml(tmp_path, text):
    table = read(tmp_path, text, "classes.yml")
    assert table.names == ("road", "sky")
    assert table.colors == ClassTable.default(2).colors
    assert not table.colors_given


def test_colors_and_roles(tmp_path):
    table = read(
        tmp_path,
        "- {id: 0, name: road, color: [1, 2, 3]}\n"
        "- {id: 1, color: [4, 5, 6], role: class}\n"
        "- {id: 9, name: rest, color: [7, 8, 9], role: Void}\n"
        "- {id: 8, name: more, role: ignore}\n",
        "classes.yaml",
    )
    assert table.names == ("road", "class 1")
    assert table.colors == ((1, 2, 3), (4, 5, 6))
    assert table.ignore_classes == {8, 9} and table.colors_given
    assert table.ignore_colors == ((9, (7, 8, 9)),)
    table.write(tmp_path / "classes.csv")
    again = ClassTable.read(tmp_path / "classes.csv")
    assert again == table and again.ignore_colors == table.ignore_colors


def test_some_colors_are_not_all(tmp_path):
    table = read(tmp_path, "id,name,r,g,b\n0,a,1,2,3\n1,b,,,\n")
    assert not table.colors_given


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("names: 3", "has 3 for names"),
        ("[a, b]", "has as entry 1 'a'"),
        ("- {name: a}", "has as entry 1 {'name': 'a'}"),
        ("- {id: a}", "has in entry 1 the id 'a'"),
        ("- {id: true}", "has in entry 1 the id True"),
        ("- {id: -1}", "has in entry 1 the id -1"),
        ("- {id: 0}\n- {id: 0}", "has in entry 2 the id 0 again"),
        (
            "- {id: 0, color: [1, 2, 256]}",
            "has in entry 1 the color [1, 2, 256]",
        ),
        ("- {id: 0, color: red}", "has in entry 1 the color 'red'"),
        ("- {id: 0, name: [1]}", "has for the id 0 the name [1]"),
        ("a: b", "has for the name 'b' the id 'a'"),
        ("3", "holds int"),
        ("0: a\n2: b", "has the class ids 0, 2"),
    ],
)
def test_malformed(tmp_path, text, found):
    assert message(tmp_path, text, "classes.yaml").startswith(
        f"KS-D011  DATA/classes.yaml {found};"
    )


def test_csv_that_is_too_much(tmp_path):
    for text, found in (
        (f"id,name\n{'9' * 5000},a\n", "has on line 2 '9999"),
        (f'id,name\n0,"{"a" * 200000}"', "is no CSV (field larger"),
    ):
        with pytest.raises(DataError) as caught:
            read(tmp_path, text, "classes.csv")
        assert caught.value.code == "KS-D011"
        assert found in str(caught.value) and len(str(caught.value)) < 400


def test_names_that_yaml_takes_for_something_else(tmp_path):
    assert message(tmp_path, "0: yes\n1: no\n", "classes.yaml") == (
        "KS-D011  DATA/classes.yaml has for the id 0 the name True; a name is "
        "text; YAML takes no, on and numbers for something else. "
        "Fix: write the name in quotes."
    )
