"""The rows of a class table, from `classes.csv` or `classes.yaml`."""

import csv
import pathlib
import unicodedata

from keras_seg.data.errors import DataError
from keras_seg.data.text import brief
from keras_seg.data.text import parse_id
from keras_seg.data.text import read_text
from keras_seg.data.text import read_yaml

__all__ = [
    "VOID_ROLES",
    "composed",
    "names_by_id",
    "read_rows",
    "refuse_alike",
]

VOID_ROLES = ("ignore", "void")
_EXAMPLE = "a header 'id,name' or 'id,name,r,g,b,role' and a class a line"
_YAML = (
    "it is {names: [...]}, {0: name, 1: name, ...}, or a list of "
    "{id: , name: , color: [r, g, b], role: }"
)


def read_rows(path):
    """The rows of a class table: id to (name, color or `None`, is void)."""
    path = pathlib.Path(path)
    if path.suffix.lower() in (".yaml", ".yml"):
        return _rows_of_yaml(path)
    return _rows_of_csv(path)


def names_by_id(names, path):
    """Names of classes, a list or a dictionary as YAML has them, by id."""
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict):
        raise _malformed(path, f"has {brief(names)} for names", _YAML)
    for i, name in names.items():
        _check_id(path, i, f"for the name {brief(name)}")
        _check_name(path, i, name)
    return names


def composed(name):
    """A name as one sequence of characters: é is one or two in Unicode."""
    return unicodedata.normalize("NFC", name)


def refuse_alike(names, file):
    """Refuse names that differ only by case or spaces, or come twice."""
    seen: dict[str, str] = {}
    for name in names:
        plain = " ".join(composed(name).casefold().split())
        if plain in seen:
            raise DataError(
                "KS-D015",
                file,
                f"has the class {seen[plain]} and the class {name}",
                "names that differ by case or spaces only are one class "
                "written in two ways",
                fix="write the name in one way everywhere",
            )
        seen[plain] = name


def _rows_of_yaml(path):
    content = read_yaml(path)
    if isinstance(content, dict):
        names = names_by_id(content.get("names", content), path)
        return {i: (name, None, False) for i, name in names.items()}
    if not isinstance(content, list):
        raise _malformed(path, f"holds {type(content).__name__}", _YAML)
    rows = {}
    for number, row in enumerate(content, start=1):
        if not isinstance(row, dict) or "id" not in row:
            raise _malformed(path, f"has as entry {number} {brief(row)}", _YAML)
        i = row["id"]
        _check_id(path, i, f"in entry {number}")
        if i in rows:
            raise _malformed(
                path,
                f"has in entry {number} the id {i} again",
                "every id comes once",
                "remove one of the two entries",
            )
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
        role = str(row.get("role", "")).lower()
        rows[i] = (name, color and tuple(color), role in VOID_ROLES)
    return rows


def _rows_of_csv(path):
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
        rows_of_text = list(csv.reader(text.splitlines()))
    except csv.Error as error:
        raise _malformed(
            path, f"is no CSV ({error})", f"a class table has {_EXAMPLE}"
        ) from error
    lines = [[cell.strip() for cell in row] for row in rows_of_text]
    header = [cell.lower() for cell in lines[0]] if lines else []
    if "id" not in header or "name" not in header:
        raise _malformed(
            path,
            f"has on line 1 the columns {', '.join(header) or '(none)'}",
            "the columns id and name are needed, r, g, b and role are optional",
            f"write {_EXAMPLE}",
        )
    rows = {}
    for number, cells in enumerate(lines[1:], start=2):
        if not any(cells):
            continue
        row = dict(zip(header, cells, strict=False))
        i = _integer(path, number, "id", row["id"])
        if i in rows:
            raise _malformed(
                path,
                f"has on line {number} the id {i} again",
                "every id comes once",
                "remove one of the two lines",
            )
        rows[i] = (
            row.get("name") or f"class {i}",
            _color(path, number, row),
            row.get("role", "").lower() in VOID_ROLES,
        )
    return rows


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
