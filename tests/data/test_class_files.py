import pytest

from keras_seg.data import ClassTable
from keras_seg.data import DataError

pytestmark = pytest.mark.once


def read(tmp_path, text, name="classes.yaml"):
    path = tmp_path / name
    path.write_text(text)
    return ClassTable.read(path)


def message(tmp_path, text):
    with pytest.raises(DataError) as caught:
        read(tmp_path, text)
    assert caught.value.code == "KS-D011"
    return str(caught.value).replace(str(tmp_path), "DATA")


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
    )
    assert table.names == ("road", "class 1")
    assert table.colors == ((1, 2, 3), (4, 5, 6))
    assert table.void_ids == {8, 9} and table.colors_given
    assert table.void_colors == ((9, (7, 8, 9)),)
    table.write(tmp_path / "classes.csv")
    again = ClassTable.read(tmp_path / "classes.csv")
    assert again == table and again.void_colors == table.void_colors


def test_some_colors_are_not_all(tmp_path):
    table = read(tmp_path, "id,name,r,g,b\n0,a,1,2,3\n1,b,,,\n", "classes.csv")
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
    assert message(tmp_path, text).startswith(
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
    assert message(tmp_path, "0: yes\n1: no\n") == (
        "KS-D011  DATA/classes.yaml has for the id 0 the name True; a name is "
        "text; YAML takes no, on and numbers for something else. "
        "Fix: write the name in quotes."
    )
