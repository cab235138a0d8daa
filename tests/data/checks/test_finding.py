import pytest

from keras_seg.data import DataError
from keras_seg.data.checks import Finding
from keras_seg.data.checks.finding import merge

pytestmark = pytest.mark.once


def error(file, code="KS-D004", guess=None):
    return DataError(code, file, "is odd", "nothing is", fix="x", guess=guess)


def test_errors_of_one_kind_become_one_finding():
    names = [f"data/{i}.png" for i in range(7)]
    errors = [error(name) for name in names]
    errors.insert(2, error("a.png", guess="It was late."))
    errors.append(error("b.png", code="KS-D009"))
    found = merge(errors)
    assert [(f.code, f.guess, f.count) for f in found] == [
        ("KS-D004", None, 7),
        ("KS-D004", "It was late.", 1),
        ("KS-D009", None, 1),
    ]
    assert found[0].file == names[0] and found[0].files == tuple(names[:5])
    assert found[0].listing("data") == (
        "7 files: 0.png, 1.png, 2.png, 3.png, 4.png, …"
    )
    assert found[1].listing() == ""


def test_it_reads_as_the_error_does():
    (found,) = merge([error("a.png", guess="It was late.")])
    assert str(found) == str(error("a.png", guess="It was late."))
    assert str(found.to_error()) == str(found)
    (found,) = merge([error("a.png"), error("b.png")])
    assert str(found) == f"{error('a.png')} 2 files: a.png, b.png"


def test_severity():
    with pytest.raises(ValueError, match="Received: severity=fatal"):
        Finding("fatal", "KS-D004", "a", "b", "c", "d")
