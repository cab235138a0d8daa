"""Lines of `classes.csv` and `classes.yaml`, each with its mistakes."""

import csv

from keras_seg.data.errors import DataError
from keras_seg.data.text import brief
from keras_seg.data.text import parse_id
from keras_seg.data.text import read_text
from keras_seg.data.text import read_yaml

__all__ = ["names_by_id", "rows_of_csv", "rows_of_yaml"]

_VOID_ROLES = ("ignore", "void")
_EXAMPLE = "a header 'id,name' or 'id,name,r,g,b,role' and a class a line"
_YAML = (
    "it is {names: [...]}, {0: name, 1: name, ...}, or a list of "
    "{id: , name: , color: [r, g, b], role: }"
)


def names_by_id(names, path):
    """Names of classes by id, from a list or a dictionary in a YAML file."""
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict):
        raise _malformed(path, f"has {brief(names)} for names", _YAML)
    for i, name in names.items():
        _check_id(path, i, f"for the name {brief(name)}")
        _check_name(path, i, name)
    return names


def rows_of_yaml(path):
    """A dictionary from ids to (name, color or `None`, whether it is void)."""
    content = read_yaml(path)
    if isinstance(content, dict):
        names = names_by_id(content.get("names", content), path)
        return {i: (name, None, False) for i, name in names.items()}
    if not isinstance(content, list):
        raise _malformed(path, f"holds {type(content).__name__}", _YAML)
    rows: dict[int, tuple] = {}
    for number, row in enumerate(content, start=1):
        if not isinstance(row, dict) or "id" not in row:
            raise _malformed(path, f"has as entry {number} {brief(row)}", _YAML)
        i = row["id"]
        _check_id(path, i, f"in entry {number}")
        _refuse_again(path, i, rows, f"in entry {number}", "entries")
        name = row.get("name", f"class {i}")
        _check_name(path, i, name)
        color = row.get("color")
        if color is not None and not _is_color(color):
            raise _malformed(
                path,
                f"has in entry {number} the color {brief(color)}",
                "a color is [red, green, blue], integers 0..255",
                "correct the entry, or leave its color out",
            )
        void = _is_void(path, row.get("role"), f"in entry {number}")
        rows[i] = (name, color and tuple(color), void)
    return rows


def rows_of_csv(path):
    """The same as `rows_of_yaml`, of a CSV file."""
    try:
        text = read_text(path)
    except DataError as error:
        text = "UTF-8" in error.found
        raise DataError(
            "KS-D011",
            path,
            error.found,
            f"a class table has {_EXAMPLE}" if text else error.allowed,
            fix="write the table again as a UTF-8 text file"
            if text
            else error.fix,
        ) from error
    try:
        lines = [
            [cell.strip() for cell in row]
            for row in csv.reader(text.splitlines())
        ]
    except csv.Error as error:
        raise _malformed(
            path, f"is no CSV ({error})", f"a class table has {_EXAMPLE}"
        ) from error
    header = [cell.lower() for cell in lines[0]] if lines else []
    if "id" not in header or "name" not in header:
        raise _malformed(
            path,
            f"has on line 1 the columns {', '.join(header) or '(none)'}",
            "the columns id and name are needed, r, g, b and role are optional",
            f"write {_EXAMPLE}",
        )
    rows: dict[int, tuple] = {}
    for number, cells in enumerate(lines[1:], start=2):
        if not any(cells):
            continue
        row = dict(zip(header, cells, strict=False))
        i = _integer(path, number, "id", row.get("id", ""))
        _refuse_again(path, i, rows, f"on line {number}", "lines")
        rows[i] = (
            row.get("name") or f"class {i}",
            _color(path, number, row),
            _is_void(path, row.get("role"), f"on line {number}"),
        )
    return rows


def _is_void(path, role, where):
    role = str(role or "class").lower()
    if role not in ("class", *_VOID_ROLES):
        raise _malformed(
            path,
            f"has {where} the role {brief(role)}",
            f"a role is class or nothing, or {' or '.join(_VOID_ROLES)}",
        )
    return role in _VOID_ROLES


def _color(path, number, row):
    cells = [row.get(channel, "") for channel in "rgb"]
    if not any(cells):
        return None
    values = [
        _integer(path, number, channel, cell)
        for channel, cell in zip("rgb", cells, strict=True)
    ]
    if not _is_color(values):
        raise _malformed(
            path,
            f"has on line {number} the color {tuple(values)}",
            "red, green and blue are integers 0..255",
            "correct the line, or leave r, g and b empty",
        )
    return tuple(values)


def _integer(path, number, column, cell):
    if (i := parse_id(cell)) is not None:
        return i
    raise _malformed(
        path,
        f"has on line {number} {brief(cell)} in the column {column}",
        "an integer of 0 or more is needed there",
        "correct the line",
    )


def _is_color(values):
    return (
        isinstance(values, list | tuple)
        and len(values) == 3
        and all(type(v) is int and 0 <= v <= 255 for v in values)
    )


def _check_id(path, i, where):
    if type(i) is not int or i < 0:
        raise _malformed(
            path,
            f"has {where} the id {brief(i)}",
            "an id is an integer of 0 or more",
        )


def _refuse_again(path, i, rows, where, things):
    if i in rows:
        raise _malformed(
            path,
            f"has {where} the id {i} again",
            "every id comes once",
            f"remove one of the two {things}",
        )


def _check_name(path, i, name):
    if not isinstance(name, str) or not name:
        raise _malformed(
            path,
            f"has for the id {i} the name {brief(name)}",
            "a name is text; YAML takes no, on and numbers for something else",
            "write the name in quotes",
        )


def _malformed(path, found, allowed, fix="correct the entry"):
    return DataError("KS-D011", path, found, allowed, fix=fix)
