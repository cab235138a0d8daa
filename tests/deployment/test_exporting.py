"""Exported files say what the model says, in every format a backend writes."""

import gc
import logging
import os
import pathlib
import re
import sys
import warnings
import weakref

import keras
import numpy as np
import pytest

import keras_seg
from keras_seg import layers
from keras_seg.applications import UNet
from keras_seg.data import ClassTable
from keras_seg.deployment import FORMATS
from keras_seg.deployment import ExportedModel
from keras_seg.deployment import ExportError
from keras_seg.deployment import convert
from keras_seg.deployment import exporting
from keras_seg.deployment.int8 import quantized
from keras_seg.deployment.verification import probe_images
from keras_seg.inference import set_temperature
from keras_seg.inference import set_threshold
from keras_seg.layers.metadata import note
from keras_seg.runs import RunFolder
from tests.networks import randomize

CLASSES = ClassTable(
    names=("sky", "sea, calm", "größte Düne"),
    colors=((0, 0, 255), (0, 128, 128), (255, 255, 0)),
    ignore_classes=frozenset({255, 9}),
)
SIZE = (64, 80)
needs_onnx = pytest.mark.skipif(
    keras.config.backend() == "jax", reason="JAX does not write ONNX."
)


@pytest.fixture(scope="module")
def model():
    return randomize(UNet(classes=3, filters=4, depth=1))


def written_by(known):
    """The sizes that this backend writes a format for."""
    backend = keras.config.backend()
    sizes = [None] if backend in known.any_size else []
    return sizes + [SIZE] * (backend in known.backends)


def names_in(path):
    """The names of a file's input and output, and the sides of both."""
    if path.suffix == ".onnx":
        import onnx

        graph = onnx.load(path).graph
        found = {}
        for value in (*graph.input, *graph.output):
            sides = value.type.tensor_type.shape.dim
            named = [x.dim_param for x in sides if x.dim_param]
            assert named in ([], ["batch", "height", "width"])
            found[value.name] = tuple(x.dim_value or None for x in sides)
        return found
    if path.suffix == ".xml":
        import openvino

        network = openvino.Core().read_model(path)
        return {
            port.any_name: tuple(
                side.get_length() if side.is_static else None
                for side in port.partial_shape
            )
            for port in (*network.inputs, *network.outputs)
        }
    if path.suffix == ".tflite":
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(path))
        (names,) = interpreter.get_signature_list().values()
        (image,), (scores,) = names["inputs"], names["outputs"]
        details = (
            *interpreter.get_input_details(),
            *interpreter.get_output_details(),
        )
        shapes = [
            tuple(None if n < 0 else n for n in x["shape_signature"].tolist())
            for x in details
        ]
        return dict(zip((image, scores), shapes, strict=True))
    if path.suffix == "":
        import tensorflow

        network = tensorflow.saved_model.load(str(path))
        signature = network.signatures["serving_default"]
        images = signature.structured_input_signature[1]
        values = images | signature.structured_outputs
        return {name: tuple(x.shape) for name, x in values.items()}
    return {}  # PyTorch's own has none.


CASES = [
    pytest.param(known, size, id=f"{known.name}-{size}")
    for known in FORMATS
    for size in written_by(known)
]


@pytest.mark.parametrize(("known", "size"), CASES[:1])
@pytest.mark.parametrize("count", [1, 3])
def test_threshold_and_temperature_are_kept(count, known, size, tmp_path):
    """One score a pixel, or labels: the ids are those of the model."""
    model = randomize(UNet(classes=count, filters=2, depth=1))
    if count > 1:
        note(model, multi_label=True)
    threshold = 0.3 if count == 1 else [0.3, 0.5, 0.9]
    set_threshold(model, threshold)
    set_temperature(model, 2.0)
    note(model, bit_depth=12, bands=(3, 2, 1))
    path = tmp_path / f"network{known.suffix}"
    written = keras_seg.export(model, path, size=size)
    assert written.metadata.bit_depth == 12
    assert written.metadata.bands == (3, 2, 1)
    assert written.metadata.threshold == threshold
    assert written.metadata.temperature == 2
    exported = ExportedModel(path)
    assert exported.metadata == written.metadata
    assert len(exported.class_table) == max(count, 2)
    (image,) = probe_images(SIZE, 3)[:1]
    ours, theirs = (
        next(keras_seg.predict(x, [image], bucket=1, probabilities=True))
        for x in (model, exported)
    )
    assert ours.ids.shape == theirs.ids.shape
    assert (ours.ids == theirs.ids).mean() > 0.999
    np.testing.assert_allclose(
        ours.probabilities, theirs.probabilities, atol=1e-3
    )
    assert "0.3" in written.metadata.to_json()


@pytest.mark.parametrize(("known", "size"), CASES)
def test_the_same_scores(model, known, size, tmp_path):
    path = tmp_path / f"network{known.suffix}"
    written = keras_seg.export(model, path, class_table=CLASSES, size=size)
    assert written.path == path and written.bytes > 4 * model.count_params()
    sizes = [found.size for found in written.agreements]
    assert sizes == [SIZE] * 3 if size else len(set(sizes)) == 3
    exported = ExportedModel(path)
    assert exported.metadata == written.metadata
    assert exported.class_table == CLASSES
    assert exported.inputs[0].shape == (None, *(size or (None, None)), 3)
    sides = (1, *size) if size else (None, None, None)
    assert names_in(path) in (
        {"image": (*sides, 3), "scores": (*sides, 3)},
        {},
    )
    # What was compared before is compared again, by the files in place.
    shapes = [SIZE, SIZE] if size else [(50, 41), (33, 80)]
    for height, width in shapes:
        images = np.random.default_rng(1).uniform(0, 255, (2, height, width, 3))
        ours = model.predict_on_batch(images.astype("float32"))
        theirs = exported.predict_on_batch(images)
        np.testing.assert_allclose(theirs, ours, atol=1e-4 * abs(ours).max())
    image = images[0].astype("uint8")
    ids = keras_seg.predict(exported, image)
    assert ids.shape == image.shape[:2]
    np.testing.assert_array_equal(
        ids, next(keras_seg.predict(exported, [image])).ids
    )
    truth = [(image, (ids + 1) % 3)]
    found = keras_seg.evaluate(exported, truth)
    expected = keras_seg.evaluate(model, truth)
    # But for pixels whose scores differ by rounding only.
    assert abs(found.matrix - expected.matrix).sum() <= 4
    assert not [f for f in tmp_path.iterdir() if f.name.startswith(".")]


@pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="tf2onnx is TensorFlow's"
)
def test_convolutions_with_a_stride_pad_by_themselves(tmp_path):
    """OpenCV 5.0 misreads `SAME_UPPER` with a stride."""
    import onnx

    image = x = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, 2, "same")(x)
    x = keras.layers.DepthwiseConv2D(3, 2, "same")(x)
    network = randomize(UNet(keras.Model(image, x), classes=2, filters=2))
    keras_seg.export(network, tmp_path / "net.onnx")
    strided = 0
    for node in onnx.load(tmp_path / "net.onnx").graph.node:
        found = {
            a.name: onnx.helper.get_attribute_value(a) for a in node.attribute
        }
        if node.op_type == "Conv" and max(found.get("strides", [1])) > 1:
            strided += 1
            assert not found.get("auto_pad", b"").startswith(b"SAME")
    assert strided == 2


@pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="tf2onnx is TensorFlow's"
)
def test_few_copies_of_a_large_graph_are_alive(tmp_path, monkeypatch):
    """One is optimized, one is kept in case that fails, and what was before;
    Python by itself, whose collector is off here, keeps all of them."""
    from tf2onnx.optimizer.optimizer_base import GraphOptimizerBase

    graphs, alive = weakref.WeakSet(), []
    inner = GraphOptimizerBase.optimize

    def optimize(self, graph, *arguments):
        graphs.add(graph)
        alive.append(len(graphs))
        return inner(self, graph, *arguments)

    monkeypatch.setattr(GraphOptimizerBase, "optimize", optimize)
    most = {}
    model = UNet(classes=3, filters=2, depth=1)
    gc.disable()
    try:
        for many in (0, model.count_params() + 1):
            monkeypatch.setattr(convert, "MANY", many)
            keras_seg.export(model, tmp_path / "network.onnx", size=SIZE)
            most[many > 0] = max(alive)
            alive.clear()
    finally:
        gc.enable()
    assert GraphOptimizerBase.optimize is optimize
    assert most[False] <= 4 < most[True]


def test_what_a_backend_does_not_write_is_refused(model, tmp_path):
    backend = keras.config.backend()
    for known in FORMATS:
        path = tmp_path / f"network{known.suffix}"
        if backend not in known.backends:
            with pytest.raises(ExportError, match=f"{backend} does not write"):
                keras_seg.export(model, path, size=SIZE)
        elif backend not in known.any_size:
            with pytest.raises(ExportError, match="for images of one size"):
                keras_seg.export(model, path)
    assert not list(tmp_path.iterdir())


def able():
    """A file name and options that this backend takes."""
    return {
        "tensorflow": ("network.onnx", {}),
        "torch": ("network.onnx", {"size": SIZE}),
        "jax": ("network", {"size": SIZE}),
    }[keras.config.backend()]


def test_a_file_that_says_something_else_is_not_kept(
    model, tmp_path, monkeypatch
):
    """As a converter would that is wrong: here it converts another network."""
    other = keras.models.clone_model(model)
    randomize(other, seed=5)
    graph = exporting.exported_graph
    monkeypatch.setattr(
        exporting, "exported_graph", lambda model, *rest: graph(other, *rest)
    )
    name, options = able()
    with pytest.raises(ExportError, match="does not say what the model says"):
        keras_seg.export(model, tmp_path / name, **options)
    assert not list(tmp_path.iterdir())
    keras_seg.export(model, tmp_path / name, **options, verify=False)
    assert (tmp_path / name).exists()


@pytest.mark.once
def test_replaced_as_a_whole(model, tmp_path):
    name, options = able()
    path = tmp_path / name
    keras_seg.export(model, path, **options, verify=False)
    keras_seg.export(model, path, class_table=CLASSES, **options, verify=False)
    assert ExportedModel(path).class_table == CLASSES
    assert [f.name for f in tmp_path.iterdir()] == [name]


def test_a_folder_of_something_else_stays(model, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    (tmp_path / "a.onnx").mkdir()
    _, options = able()
    for name in ("photos", "a.onnx"):
        with pytest.raises(ExportError) as caught:
            keras_seg.export(model, tmp_path / name, **options)
        said = str(caught.value)
        backend = keras.config.backend()
        if (name, backend) not in (("photos", "torch"), ("a.onnx", "jax")):
            assert "is there already, and no exported network" in said
    assert (tmp_path / "photos" / "a.jpg").exists()


@pytest.mark.once
@needs_onnx
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"path": "a.pb"}, "The suffix of a path says"),
        ({"class_table": ClassTable.default(4)}, "has 4 classes, the model 3"),
        ({"quantization": "int4"}, "must be None or one of"),
        ({"quantization": "int8"}, "Only LiteRT"),
        ({"samples": [np.zeros((9, 9, 3))]}, "must have the size"),
        ({"size": (0, 0)}, "`size` must be"),
        ({"size": (-4, 8)}, "`size` must be"),
    ],
)
def test_refused(model, tmp_path, options, said):
    options = {"path": "a.onnx", "size": SIZE, **options}
    path = tmp_path / options.pop("path")
    with pytest.raises(ValueError, match=said):
        keras_seg.export(model, path, **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.once
@needs_onnx
def test_a_size_too_small_is_said_in_a_line(tmp_path):
    narrow = UNet(classes=2, filters=2, depth=2, padding="valid")
    with pytest.raises(ExportError) as caught:
        keras_seg.export(narrow, tmp_path / "a.onnx", size=(20, 20))
    said = str(caught.value)
    assert said.startswith(
        "unet can't be built for images of this size (Computed output size "
    )
    assert said.endswith("Fix: choose another. Received: size=(20, 20)")
    assert "\n" not in said and "\x1b" not in said
    assert not list(tmp_path.iterdir())


@pytest.mark.once
@needs_onnx
def test_a_converter_that_fails_says_one_sentence(
    tmp_path, monkeypatch, caplog
):
    """tf2onnx logs a line for every operation that it has no form of."""

    def export(model, path, **options):
        logging.getLogger("tf2onnx.tfonnx").error("op is not supported")
        raise ValueError("make_sure failure: op\nand a graph")

    monkeypatch.setattr(keras.Model, "export", export)
    image = keras.Input((None, None, 3))
    network = keras.Model(image, keras.layers.Conv2D(2, 1)(image))
    with pytest.raises(ExportError) as caught:
        keras_seg.export(network, tmp_path / "a.onnx", size=(16, 16))
    assert str(caught.value).endswith(
        f"with {keras.config.backend()}: make_sure failure: op (ValueError)."
    )
    assert caplog.records == [] and not list(tmp_path.iterdir())
    logging.getLogger("tf2onnx.tfonnx").error("said again")
    assert len(caplog.records) == 1


@pytest.mark.once
@needs_onnx
def test_models_that_are_not_exported(tmp_path):
    image = keras.Input((8, 8, 3))
    first = keras.Input((3, 8, 8))
    scores = keras.layers.Conv2D(2, 1, data_format="channels_first")(first)
    networks = {
        "must take an image and give scores": keras.Model(
            image, keras.layers.GlobalAveragePooling2D()(image)
        ),
        "takes channels first": keras.Model(first, scores),
        r"takes images of 8×8": keras.Model(image, image),
    }
    for said, network in networks.items():
        with pytest.raises(ExportError, match=said):
            keras_seg.export(network, tmp_path / "a.onnx", size=(16, 16))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="TensorFlow writes LiteRT."
)
def test_quantized(tmp_path):
    """Kernels in two bytes or one, not four; each has a scale beside it."""
    model = randomize(UNet(classes=3, filters=4, depth=2))
    full = keras_seg.export(model, tmp_path / "full.tflite")
    samples = probe_images(None, 3)
    with pytest.raises(ExportError, match="int8 needs `samples`"):
        keras_seg.export(model, tmp_path / "a.tflite", quantization="int8")
    found = {}
    for kind in ("float16", "int8"):
        path = tmp_path / f"{kind}.tflite"
        found[kind] = keras_seg.export(
            model, path, quantization=kind, samples=samples
        )
        assert ExportedModel(path).metadata.quantization == kind
    saved = [full.bytes - found[kind].bytes for kind in found]
    parameters = model.count_params()
    assert parameters < saved[0] < saved[1] < 3 * parameters
    for one, least in (("float16", 0.99), ("int8", 0.9)):
        assert min(a.same_class for a in found[one].agreements) > least


@pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="TensorFlow writes LiteRT."
)
@pytest.mark.parametrize("name", ["mlir_quantize", "_get_ops_details"])
def test_what_tensorflow_no_longer_has_is_named(name, monkeypatch):
    import tensorflow
    from tensorflow.lite.python import convert as converter

    owner = converter if name[0] == "m" else tensorflow.lite.Interpreter
    monkeypatch.delattr(owner, name)
    with pytest.raises(RuntimeError, match=f"has not: .*{name}.*Fix: an older"):
        quantized(b"")


@pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="TensorFlow writes LiteRT."
)
def test_eight_bits_spoil_neither_positions_nor_depthwise_kernels(tmp_path):
    """700 positions are more than 256; 127 - 126 is not 1 - 0.99 in eight bits.

    The first channel is a constant times 1 - 0.99, the second is enlarged.
    """
    image = keras.Input((None, None, 2))
    x = keras.layers.AveragePooling2D(4, padding="same")(image)
    narrow = keras.layers.DepthwiseConv2D((1, 2), use_bias=False)
    network = keras.Model(image, layers.ResizeLike()(narrow(x), image))
    narrow.set_weights([np.reshape([1.0, 0.01, -0.99, 0], (1, 2, 2, 1))])
    samples = probe_images((24, 700), 2)
    for sample, constant in zip(samples, (255, 100, 5), strict=True):
        sample[..., 0] = constant
    path = tmp_path / "a.tflite"
    keras_seg.export(network, path, quantization="int8", samples=samples)
    batch = np.stack(samples)
    found = ExportedModel(path).predict_on_batch(batch)
    error = abs(found - network.predict_on_batch(batch)).max(axis=(0, 1, 2))
    # Both are of 0...2.55; a step is a hundredth.
    assert max(error) < 0.05


@pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="TensorFlow writes both."
)
@pytest.mark.parametrize("name", ["network.onnx", "network.tflite"])
def test_maxima_and_their_places(name, tmp_path):
    """At odd sizes, where the last windows see padding that no one sees."""
    image = keras.Input((None, None, 3))
    pooled, switches = layers.MaxPoolWithIndices(2)(image)
    scores = layers.MaxUnpool(2)(pooled, switches, image)
    written = keras_seg.export(keras.Model(image, scores), tmp_path / name)
    assert any(n % 2 for found in written.agreements for n in found.size)
    assert all(found.difference == 0 for found in written.agreements)


@pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="Images of any size."
)
def test_the_example_of_the_page(model, tmp_path, monkeypatch):
    page = pathlib.Path(exporting.__file__).with_name("README.md").read_text()
    (code,) = re.findall("```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    run = RunFolder.create("RUN", None, CLASSES)
    model.save(run.path / "model.keras")
    names = {"image": probe_images(SIZE, 3)[0]}
    exec(code, names)  # noqa: S102
    np.testing.assert_array_equal(
        names["ids"], keras_seg.predict(model, names["image"])
    )


@pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="TensorFlow writes LiteRT."
)
def test_litert_by_tensorflow_itself(model, tmp_path, monkeypatch):
    """Where the small interpreter is not installed."""
    path = tmp_path / "network.tflite"
    keras_seg.export(model, path, verify=False)
    (image, *_) = probe_images(None, 3)
    expected = ExportedModel(path).predict_on_batch(image[None])
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It advertises the small one.
        found = ExportedModel(path).predict_on_batch(image[None])
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_auxiliary_scores_are_left_out(model, tmp_path):
    several = keras.Model(model.inputs[0], [model.output, 2 * model.output])
    name, options = able()
    written = keras_seg.export(several, tmp_path / name, **options)
    assert all(found.same_class == 1 for found in written.agreements)


@pytest.mark.once
def test_a_name_that_is_no_text(model, tmp_path):
    """The runtimes take none: refused before the conversion."""
    path = tmp_path / os.fsdecode(b"f\xe9") / "network.onnx"
    with pytest.raises(ExportError, match="is not UTF-8 text"):
        keras_seg.export(model, path)
    assert list(tmp_path.iterdir()) == []
