"""Exported files from others, or damaged: a sentence, never a traceback."""

import json
import os
import pathlib
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import keras_seg
from keras_seg.applications import UNet
from keras_seg.data import ClassTable
from keras_seg.deployment import ExportedModel
from keras_seg.deployment import ExportError
from keras_seg.deployment.exported import RUNTIMES
from keras_seg.deployment.metadata import ExportMetadata

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An ONNX and an OpenVINO file."""
    if keras.config.backend() == "jax":
        pytest.skip("JAX does not write them.")
    path = tmp_path_factory.mktemp("exported")
    model = UNet(classes=2, filters=2, depth=1)
    for name in ("a.onnx", "a.xml"):
        keras_seg.export(model, path / name, size=(32, 48))
    return path


def test_damaged(folder, tmp_path):
    for name in ("a.onnx", "a.xml"):
        whole = (folder / name).read_bytes()
        for kept in (0, 10, len(whole) // 2):
            path = tmp_path / name
            path.write_bytes(whole[:kept])
            (tmp_path / "a.xml.json").write_bytes(
                (folder / "a.xml.json").read_bytes()
            )
            with pytest.raises(ExportError, match="is damaged|was not export"):
                ExportedModel(path)


def test_missing(folder, tmp_path):
    with pytest.raises(ExportError, match="does not exist"):
        ExportedModel(tmp_path / "a.onnx")
    (tmp_path / "a.xml").write_bytes((folder / "a.xml").read_bytes())
    with pytest.raises(ExportError, match=r"a\.xml\.json, which belongs to it"):
        ExportedModel(tmp_path / "a.xml")


def test_bfloat16_keeps_eight_bits_and_is_openvinos_alone(folder):
    x = np.random.default_rng(0).uniform(0, 255, (1, 32, 48, 3))
    exact = ExportedModel(folder / "a.xml").predict_on_batch(x)
    found = ExportedModel(folder / "a.xml", bfloat16=True).predict_on_batch(x)
    # Rounded to 2**-9 of a value at each layer; equal on older processors.
    assert abs(found - exact).max() < 2**-5 * abs(exact).max()
    with pytest.raises(ExportError, match=r"Only OpenVINO .*a\.onnx"):
        ExportedModel(folder / "a.onnx", bfloat16=True)


def test_images_of_another_range_are_warned_of(folder):
    """The metadata says 0...255."""
    image = np.random.default_rng(0).uniform(0, 1, (20, 30, 3))
    exported = ExportedModel(folder / "a.onnx")
    keras_seg.predict(exported, 255 * image)
    # Filled up to 32×48 with the mean color.
    with pytest.warns(UserWarning, match="float64 from 0.0.* RGB in 0...255"):
        keras_seg.predict(exported, image)


def test_a_file_of_others(tmp_path):
    import onnx

    value = onnx.helper.make_tensor_value_info("x", 1, [1])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["y"])],
        "others",
        [value],
        [onnx.helper.make_tensor_value_info("y", 1, [1])],
    )
    opset = onnx.helper.make_opsetid("", 17)
    network = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9)
    onnx.save(network, tmp_path / "a.onnx")
    with pytest.raises(ExportError, match="was not exported by keras_seg"):
        ExportedModel(tmp_path / "a.onnx")


def test_another_size(folder):
    with pytest.raises(ValueError, match=r"takes images of 32×48 pixels only"):
        ExportedModel(folder / "a.onnx").predict_on_batch(
            np.zeros((1, 8, 8, 3))
        )


METADATA = ExportMetadata(
    model="unet",
    format="onnx",
    class_table=ClassTable.default(3),
    size=(32, 48),
    channels=3,
    quantization=None,
    version="0.1.0",
    backend="torch",
)


def test_metadata_round_trip():
    assert ExportMetadata.from_json(METADATA.to_json(), "a") == METADATA


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.sampled_from(sorted(json.loads(METADATA.to_json()))), json_values)
def test_metadata_with_one_value_of_anything(name, value):
    """Right, or refused: no other error."""
    known = json.loads(METADATA.to_json()) | {name: value}
    try:
        metadata = ExportMetadata.from_json(json.dumps(known), "a")
    except ExportError as error:
        assert "was not exported by keras_seg" in str(error)
    else:
        assert (
            isinstance(metadata.channels, int)
            and len(metadata.class_table) >= 1
        )


@given(st.binary() | st.text())
def test_metadata_of_any_bytes(text):
    with pytest.raises(ExportError):
        ExportMetadata.from_json(text, "a")


def test_no_backend_is_needed(folder, tmp_path):
    """`keras-seg predict --model` where neither Keras nor a backend is."""
    photo = tmp_path / "photo.png"
    from PIL import Image

    Image.new("RGB", (48, 32), (200, 100, 0)).save(photo)
    code = f"""
import sys
import types

class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("keras", "tensorflow", "jax", "torch"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Nowhere())
sys.argv = ["keras-seg", "predict", "--model", {str(folder / "a.onnx")!r},
            {str(photo)!r}, "--out", {str(tmp_path / "out")!r},
            "--polygons", "gpkg", "--confidence", "--objects", "class 1"]
from keras_seg.cli import main
main()
"""
    root = pathlib.Path(keras_seg.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": f"{root}:{os.environ.get('PYTHONPATH', '')}",
        },
    )
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "out" / "photo.png") as mask:
        assert mask.size == (48, 32)
    assert (tmp_path / "out" / "photo_objects.csv").is_file()


def test_tensorflow_older_than_the_jax_that_wrote(monkeypatch, tmp_path):
    """TensorFlow 2.18 can't read what JAX 0.6 writes, and says it so."""
    tensorflow = pytest.importorskip("tensorflow")
    failed = tensorflow.errors.InvalidArgumentError
    said = "Graph execution error:\n\nCannot deserialize computation"

    def serve(images):
        raise failed(None, None, said)

    loaded = types.SimpleNamespace(serve=serve)
    monkeypatch.setattr(tensorflow.saved_model, "load", lambda path: loaded)
    run = RUNTIMES["tf_saved_model"](tmp_path / "served")
    with pytest.raises(ExportError, match="too old for the JAX that wrote ser"):
        run(np.zeros((1, 8, 8, 3)))
    said = "Graph execution error:\n\nanother"
    with pytest.raises(failed, match="another"):
        run(np.zeros((1, 8, 8, 3)))
