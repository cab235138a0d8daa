"""Whatever becomes of a file, what comes is data or a typed error.

`make fuzz` draws 10,000 cases of each layout; here it is a few.
"""

import contextlib
import json
import os
import resource
import signal

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_seg.data import DataError
from keras_seg.data import from_folder
from keras_seg.data import from_stack
from keras_seg.data import splits
from keras_seg.runs import RunError
from keras_seg.runs import RunFolder
from tests.data.readers.whole import LAYOUTS

pytestmark = pytest.mark.once

CASES = int(os.environ.get("KERAS_SEG_FUZZ", 20))
SECONDS, BYTES = 20, 2**30

junk = st.sampled_from(
    [None, True, -1, 0, 3, 2.5, 1e300, 10**30, "", "x", "../..", [], {}, [[]]]
)
pieces = st.binary(max_size=4) | st.sampled_from(
    [b"-1", b"1e999", b"99999999999", b"nan", b"{", b"[[", b"\n", b",", b'"']
    + [b"\xff\xff\xff\x7f", b"../", b"&a *a", b"!!python/object:os.system"]
)


@contextlib.contextmanager
def bounds():
    """Fails what takes long, or more memory than was ever taken before."""

    def stop(*_):
        raise AssertionError(f"more than {SECONDS} s")

    before = peak()
    handler = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
    assert peak() - before < BYTES


def peak():
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def places(value, path=()):
    """The way to every value inside a JSON value."""
    yield path
    if isinstance(value, dict | list):
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in entries:
            yield from places(inner, (*path, key))


def replaced(value, path, new):
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def spoilt(draw, content, suffix):
    """A file's bytes with some values or bytes replaced, or cut off."""
    if suffix == ".json" and draw(st.booleans()):
        value = json.loads(content)
        place = draw(st.sampled_from(list(places(value))))
        return json.dumps(replaced(value, place, draw(junk))).encode()
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(content)))
        new = draw(pieces)
        over = draw(st.sampled_from([0, len(new), len(content)]))
        content = content[:at] + new + content[at + over :]
    return content


def read_pairs(path):
    names = splits(path)
    return from_folder(path, names[0] if names else None)


def read_labels(path):
    return from_folder(path, multi_label=True)


def read_stack(path):
    return from_stack(path / "x.tif", path / "y.tif", class_table=3)


def read_run(path):
    run = RunFolder.open(path)
    assert run.settings is None or run.settings.epochs >= 1
    assert run.data is None or isinstance(run.data, dict)
    for row in run.scores():
        assert isinstance(row["iou"], float)
    return ()


@pytest.fixture(scope="module", params=LAYOUTS)
def layout(request, tmp_path_factory):
    """A reader, the folder it reads, and the bytes of each file there."""
    path = tmp_path_factory.mktemp("whole") / request.param
    if request.param != "run_folder":
        path.mkdir()
    LAYOUTS[request.param](path)
    files = [file for file in sorted(path.rglob("*")) if file.is_file()]
    readers = {"stack": read_stack, "run_folder": read_run}
    readers |= dict.fromkeys(("label_stacks", "label_folders"), read_labels)
    reader = readers.get(request.param, read_pairs)
    return reader, path, {file: file.read_bytes() for file in files}


def check_all(reader, path):
    data = reader(path)
    classes = {*range(len(data.class_table)), 255} if data else set()
    if reader is read_labels:
        classes = {0, 1, 255}
    for image, mask in data:
        assert image.shape == (*mask.shape[:2], 3) and image.dtype == "uint8"
        assert mask.dtype == "uint8" and set(mask.ravel().tolist()) <= classes
    return len(data)


def test_whole(layout):
    reader, path, _ = layout
    assert check_all(reader, path) >= (0 if reader is read_run else 1)


@settings(max_examples=CASES)
@given(data=st.data())
def test_any_damage(layout, data):
    reader, path, files = layout
    file = data.draw(st.sampled_from(sorted(files)))
    content = spoilt(data.draw, files[file], file.suffix)
    file.write_bytes(content)
    try:
        with bounds(), contextlib.suppress(DataError, RunError):
            check_all(reader, path)
    finally:
        file.write_bytes(files[file])
