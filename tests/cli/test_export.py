"""export, and predict with what it wrote."""

import shutil

import keras
import numpy as np
import pytest
from PIL import Image

from keras_seg.data import read_image
from keras_seg.deployment import ExportedModel
from keras_seg.inference import predict
from keras_seg.runs import RunFolder

# What each backend writes.
WRITTEN = {
    "tensorflow": ("best.onnx", ["--format", "onnx"], "any size"),
    "torch": (
        "best.pt2",
        ["--format", "torch", "--size", "48"],
        "48×48 pixels",
    ),
    "jax": (
        "best",
        ["--format", "tf_saved_model", "--size", "48"],
        "48×48 pixels",
    ),
}


@pytest.fixture(scope="module")
def run(trained, tmp_path_factory):
    """A run of one's own: files are written into it."""
    path = tmp_path_factory.mktemp("to_export") / "run"
    return shutil.copytree(trained[1], path)


@pytest.fixture(scope="module")
def exported(run, invoke):
    name, options, size = WRITTEN[keras.config.backend()]
    result = invoke("export", run, *options)
    assert result.exit_code == 0, result.output
    path = run / name
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"Wrote {path}: ")
    assert lines[0].endswith(f" MB, for images of {size}.")
    assert len(lines) == 5
    for line in lines[1:4]:
        assert "100.00% of the pixels get the model's class" in line
    assert lines[-1] == f"Next: keras-seg predict --model {path} IMAGE..."
    return path


def test_the_classes_go_with_it(run, exported):
    classes = RunFolder.open(run).class_table
    assert ExportedModel(exported).class_table == classes


def test_predict(run, exported, data, invoke, tmp_path):
    images, out = data / "val" / "images", tmp_path / "out"
    result = invoke("predict", "--model", exported, images, "--out", out)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Wrote 3 of 3 masks")
    model = RunFolder.open(run).load_model()
    for path in sorted(images.iterdir()):
        with Image.open(out / path.name) as mask:
            assert mask.getpalette()[:6] == [0, 0, 0, 230, 159, 0]
            ids = np.asarray(mask)
        # Where the network takes one size, images are not filled up.
        bucket = 1 if ExportedModel(exported).metadata.size else 32
        (found,) = predict(model, [read_image(path)], bucket=bucket)
        # Classes whose scores differ by rounding only may change places.
        assert (found.ids == ids).mean() > 0.999
    result = invoke("predict", "--model", exported, images, "--out", out)
    assert result.stdout.startswith("3 predicted before")
    # Images of other sizes, larger and smaller: in tiles where they must be.
    large = np.tile(read_image(path), (2, 3, 1))[:70]
    for name, pixels in (("large", large), ("small", large[:31, :40])):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    odd = sorted(tmp_path.glob("*.png"))
    result = invoke("predict", "--model", exported, *odd, "--out", out)
    assert result.exit_code == 0, result.output
    network = ExportedModel(exported)
    said = (
        "The network takes images of 48×48 pixels. Others are predicted in "
        "overlapping tiles of that size.\n"
    )
    if network.metadata.size is None:
        said = ""
    assert (
        result.stdout == f"{said}Wrote 2 of 2 masks, and overlays, to {out}\n"
    )
    for path, found in zip(odd, predict(network, odd), strict=True):
        with Image.open(out / path.name) as mask:
            np.testing.assert_array_equal(np.asarray(mask), found.ids)


def test_mistakes(run, exported, data, invoke, tmp_path):
    image = data / "val" / "images" / "0000.png"
    for arguments, code, said in (
        (["predict", run], 2, "is missing"),
        (
            ["predict", "--model", exported, image, "--mirror"],
            2,
            "is for a Keras model",
        ),
        (["export", run, "--format", "pb"], 2, "must be one of onnx"),
        (["export", run, "--out", "a.pb"], 2, "is written to a file"),
        (["export", run, "--size", "big"], 2, "a size is a side"),
        (["export", run, "--output", "mask"], 2, "must be one of scores, ids"),
        (["export", run, "--layout", "chw"], 2, "must be one of nhwc, nchw"),
        (["export", tmp_path], 1, "is not a run folder"),
        (
            ["export", run, "--quantize", "int8", "--size", "48"],
            1,
            {"jax": "jax does not write ONNX"}.get(
                keras.config.backend(), "Only LiteRT"
            ),
        ),
    ):
        result = invoke(*arguments)
        assert result.exit_code == code, result.output
        assert said in " ".join(result.stderr.replace("│", " ").split())


@pytest.mark.once
def test_ids(run, data, invoke, tmp_path):
    """Predicted and scored, but without probabilities."""
    path = tmp_path / "ids.onnx"
    result = invoke(
        *("export", run, "--output", "ids", "--layout", "nchw"),
        *("--opset", 18, "--size", "48", "--out", path),
    )
    assert result.exit_code == 0, result.output
    assert "100.00% of the pixels get the model's class; of others the sc" in (
        result.stdout
    )
    images, out = data / "val" / "images", tmp_path / "out"
    result = invoke("predict", "--model", path, images, "--out", out)
    assert result.exit_code == 0, result.output
    result = invoke("evaluate", path, data, "--out", tmp_path / "scores")
    assert result.exit_code == 0, result.output
    result = invoke(
        *("predict", "--model", path, images, "--out", tmp_path / "more"),
        "--probabilities",
    )
    assert result.exit_code == 1
    assert "returns class ids, and no" in " ".join(result.stderr.split())


@pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="TensorFlow writes LiteRT."
)
def test_int8(run, data, invoke, tmp_path):
    images, out = data / "train" / "images", tmp_path / "small.tflite"
    result = invoke(
        *("export", run, "--format", "tflite", "--out", out),
        *("--quantize", "int8", "--samples", images, "--size", "32x48"),
    )
    assert result.exit_code == 0, result.output
    metadata = ExportedModel(out).metadata
    assert metadata.quantization == "int8" and metadata.size == (32, 48)
