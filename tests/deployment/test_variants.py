"""What a file returns and in which layout: as the model says, in each."""

import json

import keras
import numpy as np
import pytest

import keras_seg
from keras_seg.applications import UNet
from keras_seg.data import ClassTable
from keras_seg.deployment import ExportedModel
from keras_seg.deployment import ExportError
from keras_seg.deployment import exporting
from keras_seg.deployment import naming
from keras_seg.deployment.graph import exported_graph
from keras_seg.deployment.graph import returned_form
from keras_seg.inference import set_temperature
from keras_seg.inference import set_threshold
from keras_seg.layers.metadata import note
from keras_seg.score_form import ScoreForm
from tests.networks import randomize

SIZE = (40, 56)
BACKEND = keras.config.backend()
# One for each backend, and whether it takes any size.
ABLE = {
    "tensorflow": ("a.onnx", {}),
    "torch": ("a.onnx", {"size": SIZE}),
    "jax": ("a", {"size": SIZE}),
}


def make(kind, **options):
    """Three classes, two by a threshold, or three labels."""
    count = 1 if kind == "one score" else 3
    model = randomize(UNet(classes=count, filters=2, depth=1, **options))
    if kind == "labels":
        note(model, multi_label=True)
    if kind != "classes":
        set_threshold(model, 0.505 if count == 1 else [0.3, 0.5, 0.6])
    set_temperature(model, 2.0)
    return model


def image(seed=0, size=SIZE):
    noise = np.random.default_rng(seed).integers(0, 255, (*size, 3))
    return noise.astype("uint8")


@pytest.mark.parametrize(
    ("kind", "activation"),
    [
        ("classes", None),
        ("classes", "softmax"),
        pytest.param("one score", None, marks=pytest.mark.once),
        ("one score", "sigmoid"),
        ("labels", None),
        pytest.param("labels", "sigmoid", marks=pytest.mark.once),
    ],
)
def test_the_graph(kind, activation):
    """Against `ScoreForm`, which is of NumPy and outside of any graph."""
    model = make(kind, classifier_activation=activation)
    form = ScoreForm.of(model, certain=True)
    batch = image()[None].astype("float32")
    scores = model.predict_on_batch(batch)
    assert len(np.unique(form.ids_of(scores))) > 1
    p = form.probabilities_of(scores)[..., -model.output_shape[-1] :]
    for output, expected in ("ids", form.ids_of(scores)), ("probabilities", p):
        form_of_it = returned_form(form, output)
        for layout, size in ("nhwc", None), ("nchw", SIZE):
            graph = exported_graph(model, form, size, output, layout)
            first = layout == "nchw"
            found = graph(batch.transpose(0, 3, 1, 2) if first else batch)
            found = keras.tree.flatten(found)[0]
            found = keras.ops.convert_to_numpy(found)
            if first and found.ndim == 4:
                found = found.transpose(0, 2, 3, 1)
            np.testing.assert_allclose(found, expected, atol=1e-5)
            if output == "probabilities":
                same = form_of_it.ids_of(found) == form.ids_of(scores)
                assert same.mean() > 0.999


@pytest.mark.parametrize(
    ("kind", "output", "layout"),
    [
        ("classes", "ids", "nchw"),
        ("one score", "probabilities", "nchw"),
        ("labels", "ids", "nhwc"),
    ],
)
def test_what_is_returned(kind, output, layout, tmp_path):
    model = make(kind)
    name, options = ABLE[BACKEND]
    path = tmp_path / name
    written = keras_seg.export(
        model, path, output=output, layout=layout, **options
    )
    # But for scores that are a threshold, to rounding.
    assert all(found.same_class > 0.9999 for found in written.agreements)
    exported = ExportedModel(path)
    assert exported.metadata == written.metadata
    assert keras_seg.predict(exported, image()).tolist() == (
        keras_seg.predict(model, image()).tolist()
    )
    # Larger than the one size, where there is one: blended tiles of ids.
    larger = image(1, (48, 64))
    ids = keras_seg.predict(exported, larger)
    same = ids == keras_seg.predict(model, larger)
    assert ids.shape == larger.shape[:2] + (3,) * (kind == "labels")
    assert same.mean() > (0.8 if "size" in options else 0.999)
    (expected,) = keras_seg.predict(
        model, [image()], bucket=1, probabilities=True
    )
    if output != "ids":
        (found,) = keras_seg.predict(
            exported, [image()], bucket=1, probabilities=True
        )
        np.testing.assert_allclose(
            found.probabilities, expected.probabilities, atol=1e-3
        )
    else:
        with pytest.raises(ValueError, match="returns class ids, and no prob"):
            next(keras_seg.predict(exported, [image()], probabilities=True))
        with pytest.raises(ValueError, match="returns class ids, and no prob"):
            next(keras_seg.predict(exported, [image()], least=0.9))
    found = _raw(path, layout)
    axes = list(written.metadata.output_axes)
    assert axes[1 if layout == "nchw" else -1] == "scores" or output == "ids"
    assert found.shape == tuple(
        {"batch": 1, "height": SIZE[0], "width": SIZE[1]}.get(
            axis, written.metadata.scores
        )
        for axis in axes
    )
    assert found.dtype == ("uint8" if output == "ids" else "float32")
    if output == "ids":
        truth = [(image(), expected.ids)]
        counts = [
            keras_seg.evaluate(one, truth, bucket=1).matrix.tolist()
            for one in (exported, model)
        ]
        assert counts[0] == counts[1]


def _raw(path, layout):
    """What a program gets that knows the names alone."""
    batch = image()[None].astype("float32")
    if layout == "nchw":
        batch = batch.transpose(0, 3, 1, 2)
    if path.suffix:
        import onnxruntime

        session = onnxruntime.InferenceSession(path)
        (found,) = session.run(None, {"image": batch})
        return found
    import tensorflow

    network = tensorflow.saved_model.load(str(path))
    (found,) = network.signatures["serving_default"](image=batch).values()
    return np.asarray(found)


@pytest.mark.once
def test_ids_of_another_network_are_not_kept(tmp_path, monkeypatch):
    other, graph = make("classes"), exporting.exported_graph
    randomize(other, seed=5)
    monkeypatch.setattr(
        exporting, "exported_graph", lambda _, *rest: graph(other, *rest)
    )
    name, options = ABLE[BACKEND]
    with pytest.raises(ExportError, match="does not say what the model says"):
        keras_seg.export(
            make("classes"), tmp_path / name, output="ids", **options
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"output": "masks"}, "`output` must be one of"),
        ({"layout": "chw"}, "`layout` must be .nhwc. or .nchw."),
        ({"output": "logits"}, "returns probabilities, not logits"),
    ],
)
def test_refused(options, said, tmp_path):
    model = make("classes", classifier_activation="softmax")
    with pytest.raises(ValueError, match=said):
        keras_seg.export(
            model, tmp_path / ABLE[BACKEND][0], size=SIZE, **options
        )


@pytest.mark.once
def test_files_of_before_the_names(tmp_path):
    """What was written with other names, and metadata without new facts."""
    import onnx

    if BACKEND == "jax":
        pytest.skip("JAX does not write ONNX.")
    path = tmp_path / "a.onnx"
    model = make("classes")
    keras_seg.export(model, path, size=SIZE)
    network = onnx.load(path)
    naming.rename(network.graph, {"image": "input", "scores": "alias_2"})
    known = json.loads(network.metadata_props[0].value)
    for fact in "gives", "layout":
        del known[fact]
    network.metadata_props[0].value = json.dumps(known)
    onnx.checker.check_model(network, full_check=True)
    onnx.save(network, path)
    assert ExportedModel(path).metadata.layout == "nhwc"
    assert keras_seg.predict(ExportedModel(path), image()).tolist() == (
        keras_seg.predict(model, image()).tolist()
    )


needs_onnx = pytest.mark.skipif(
    BACKEND == "jax", reason="JAX does not write ONNX."
)


def as_deepness(path, tile):
    """What QGIS's Deepness 0.6.5 makes of a tile, without QGIS.

    As in processing/models/model_base.py, segmentor.py, preprocessing_utils.py
    and processing/map_processor/map_processor_segmentation.py of
    https://github.com/PUTvision/qgis-plugin-deepness
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    (image,), (output,) = session.get_inputs(), session.get_outputs()
    found = session.get_modelmeta().custom_metadata_map
    # The size of a tile is an int, the same down and across.
    assert isinstance(image.shape[-1], int)
    assert image.shape[-1] == image.shape[-2] == int(found["tile_size"])
    assert str(json.loads(found["model_type"])).capitalize() == "Segmentor"
    names = json.loads(found["class_names"])
    ordered = sorted(names.items(), key=lambda pair: int(pair[0]))
    assert [int(number) for number, _ in ordered] == list(range(len(names)))
    mean = np.array(json.loads(found["standardization_mean"]), "float32")
    std = np.array(json.loads(found["standardization_std"]), "float32")
    batch = tile[None, :, :, : image.shape[-3]]
    batch = (np.float32(batch * 1.0 / 255.0) - mean) / std
    batch = np.transpose(batch, (0, 3, 1, 2))
    (result,) = session.run(None, {image.name: batch})
    assert output.shape[-3] in (1, len(names))
    result[result < float(json.loads(found["seg_thresh"]))] = 0.0
    if result.shape[1] == 1:
        ids = (result != 0).astype(int)[:, 0]
    else:
        ids = np.argmax(result, axis=1)
    return ids[0], found, [name for _, name in ordered]


@pytest.mark.once
@needs_onnx
@pytest.mark.parametrize("kind", ["classes", "one score"])
def test_deepness(kind, tmp_path):
    import onnx

    model, side = make(kind), 40
    table = ClassTable.default(2 if kind == "one score" else 3)
    options = {"output": "probabilities", "layout": "nchw", "size": (40, 40)}
    # Not what the converters choose, 15 and 8 or 20 and 10.
    options |= {"opset": 18, "ir_version": 9}
    path = tmp_path / "a.onnx"
    keras_seg.export(model, path, class_table=table, resolution=12.5, **options)
    tile = image(size=(side, side))
    ids, found, names = as_deepness(path, tile)
    np.testing.assert_array_equal(ids, keras_seg.predict(model, tile))
    assert tuple(names) == table.names
    assert float(json.loads(found["resolution"])) == 12.5
    assert int(json.loads(found["tiles_overlap"])) == 25
    assert found["tiles_size"] == found["tile_size"] == "40"
    network = onnx.load(path)
    (opset,) = (x.version for x in network.opset_import if not x.domain)
    assert (opset, network.ir_version) == (18, 9)


@pytest.mark.once
@needs_onnx
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"opset": 0}, "`opset` must be an int of 1 or more"),
        ({"ir_version": 3}, "An IR version of [0-9]+...[0-9]+ goes with opset"),
        ({"path": "a.xml", "opset": 18}, "`opset` is of ONNX"),
        ({"resolution": -1}, "`resolution` must be above 0"),
        ({"resolution": 5}, "Deepness, which takes ONNX files of prob"),
    ],
)
def test_versions_and_resolutions_refused(options, said, tmp_path):
    path = tmp_path / options.pop("path", "a.onnx")
    with pytest.raises(ValueError, match=said):
        keras_seg.export(make("classes"), path, size=SIZE, **options)
    assert not list(tmp_path.iterdir())
