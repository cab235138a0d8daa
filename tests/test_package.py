import ast
import importlib
import os
import pkgutil
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_seg
from keras_seg import applications
from keras_seg import optimizers
from keras_seg.lazy import is_installed
from tests.networks import randomize

# Of Keras's backends, the one that is imported fastest; it needs JAX.
NUMPY = {"KERAS_BACKEND": "numpy"} if is_installed("jax") else {}


def fresh(code, *arguments, **environment):
    """Returns what the code prints in a new process."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    ).stdout


@pytest.mark.once
def test_import_registers_every_class_of_the_package():
    """Keras writes layers, losses and their kin by registered names."""
    for module in pkgutil.walk_packages(keras_seg.__path__, "keras_seg."):
        if module.name.endswith("__main__"):
            continue
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            # The kernels of a backend that is not installed.
            if error.name not in ("jax", "tensorflow", "torch"):
                raise
    registered = keras.saving.get_custom_objects()
    ours = {name for name in registered if name.startswith("keras_seg>")}
    # The other order is that of the next test.
    found = fresh(
        "import keras_seg, keras\n"
        "print(sorted(keras.saving.get_custom_objects()))",
        **NUMPY,
    )
    assert len(ours) > 40
    assert ours <= set(ast.literal_eval(found))


def test_a_compiled_model_loads_in_a_new_process(tmp_path):
    """With `import keras_seg` alone: architecture, loss, metrics, optimizer."""
    rng = np.random.default_rng(0)
    model = applications.UNet(None, classes=3, depth=1, filters=2)
    randomize(model)
    model.compile(
        optimizers.AdamW(keras_seg.schedules.Poly(1e-3, 9)),
        loss=keras_seg.losses.CrossEntropy(),
        metrics=[keras_seg.metrics.MeanIoU(num_classes=3)],
    )
    images = rng.uniform(0, 255, (1, 16, 16, 3)).astype("float32")
    masks = rng.integers(0, 3, (1, 16, 16)).astype("int32")
    model.fit(images, masks, verbose=0)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "masks.npy", masks)
    out = fresh(
        "import sys, keras, keras_seg, numpy as np\n"
        "path = sys.argv[1]\n"
        "model = keras.models.load_model(path + '/model.keras')\n"
        "images = np.load(path + '/images.npy')\n"
        "masks = np.load(path + '/masks.npy')\n"
        "np.save(path + '/logits.npy', model.predict(images, verbose=0))\n"
        "scores = model.evaluate(images, masks, verbose=0, return_dict=True)\n"
        "print(scores, int(model.optimizer.iterations))",
        tmp_path,
    )
    expected = model.predict(images, verbose=0)
    np.testing.assert_allclose(
        np.load(tmp_path / "logits.npy"), expected, rtol=1e-5, atol=1e-5
    )
    scores = model.evaluate(images, masks, verbose=0, return_dict=True)
    assert out.strip() == f"{scores} 1"


@pytest.mark.once
def test_import_brings_nothing_heavy():
    """Keras itself may import a backend, Pillow or rich; ours must not."""
    out = fresh(
        "import sys\n"
        "sys.modules['huggingface_hub'] = None\n"  # Keras tries it.
        "import keras\n"
        "before = set(sys.modules)\n"
        "import keras_seg\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - {'keras_seg', 'keras', 'numpy'}))\n"
        "import keras_seg.hub.transfer",
        **NUMPY,
    )
    assert not ast.literal_eval(out)


@pytest.mark.once
def test_rooms_are_there():
    for room in (*keras_seg._ROOMS, "optimizers"):
        module = getattr(keras_seg, room)
        assert module.__all__
    with pytest.raises(AttributeError, match="no attribute 'kitchen'"):
        keras_seg.kitchen  # noqa: B018


@pytest.mark.once
@pytest.mark.parametrize("name", ["crf.dense_crf", "metrics", "surgery.crf"])
def test_a_room_can_be_imported_first(name):
    """Keras's import registers classes, in the midst of the room's own."""
    out = fresh(
        f"import keras_seg.{name}\n"
        "import keras\n"
        "print(len(keras.saving.get_custom_objects()) > 40)",
        **NUMPY,
    )
    assert out == "True\n"


@pytest.mark.once
def test_imports_run_one_way():
    """ops <- fast <- layers <- crf <- surgery <- applications <- ... <- cli."""
    import pathlib

    order = {
        "arguments": 0,
        "from_logits": 0,
        "atomic": 0,
        "keras_private": 0,
        "environment": 0,
        "lazy": 0,
        "words": 0,
        "optimizers": 0,
        "schedules": 0,
        "ops": 0,
        "fast": 1,
        "layers": 2,
        "crf": 3,
        "surgery": 4,
        "applications": 5,
        "pretrained": 6,
        "training": 7,
        "inference": 7,
        "deployment": 8,
        "distributed": 9,
        "cli": 10,
        "visualization": 2,
        "data": 2,
        "runs": 2,
        "hub": 2,
        "losses": 2,
        "metrics": 2,
        "score_form": 2,
        "unsupervised": 2,
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


@pytest.mark.once
def test_prediction_needs_no_training_room(tmp_path):
    """A run folder is opened, and its model predicts."""
    classes = keras_seg.data.ClassTable.default(2)
    run = keras_seg.runs.RunFolder.create(tmp_path / "run", None, classes)
    model = randomize(applications.UNet(None, classes=2, depth=1, filters=2))
    run.save_model(model, "model.keras")
    image = np.zeros((16, 16, 3), "uint8")
    keras_seg.visualization.save_image(tmp_path / "image.png", image)
    out = fresh(
        "import sys\n"
        "from keras_seg.cli import app\n"
        "app(sys.argv[1:], standalone_mode=False)\n"
        "found = [name for name in sys.modules if 'training' in name]\n"
        "print(*(n for n in found if n.startswith('keras_seg')))",
        *("predict", run.path, tmp_path / "image.png"),
        *("--out", tmp_path / "out"),
    )
    assert out.startswith("Wrote 1 of 1 masks")
    assert out.splitlines()[-1] == ""
