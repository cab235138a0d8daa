import ast
import subprocess
import sys

import pytest

import keras_seg

pytestmark = pytest.mark.once


def test_import_brings_nothing_heavy():
    """Keras itself may import a backend, Pillow or rich; ours must not."""
    code = (
        "import sys, keras\n"
        "before = set(sys.modules)\n"
        "import keras_seg\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - {'keras_seg', 'keras', 'numpy'}))\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    heavy = {"tensorflow", "jax", "torch", "matplotlib", "PIL", "typer"}
    assert not heavy & set(ast.literal_eval(out.stdout)), out.stdout


def test_rooms_are_there():
    for room in keras_seg._ROOMS:
        module = getattr(keras_seg, room)
        assert module.__all__
    with pytest.raises(AttributeError, match="no attribute 'kitchen'"):
        keras_seg.kitchen  # noqa: B018


def test_imports_run_one_way():
    """ops <- layers <- surgery <- applications <- training, ... <- cli."""
    import pathlib

    order = {
        "arguments": 0,
        "atomic": 0,
        "lazy": 0,
        "schedules": 0,
        "ops": 0,
        "layers": 1,
        "surgery": 2,
        "applications": 3,
        "training": 4,
        "inference": 4,
        "deployment": 5,
        "cli": 6,
        "visualization": 1,
        "data": 1,
        "losses": 1,
        "metrics": 1,
        "unsupervised": 1,
    }
    root = pathlib.Path(keras_seg.__file__).parent
    for path in root.rglob("*.py"):
        room = path.relative_to(root).parts[0].removesuffix(".py")
        if room not in order:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                parts = node.module.split(".")
                if parts[0] != "keras_seg" or len(parts) < 2:
                    continue
                assert order[parts[1]] <= order[room], (path, node.module)
