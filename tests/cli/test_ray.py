"""`keras-seg predict --ray` and `evaluate --ray`, against one process."""

import collections
import json
import os
import pathlib
import pickle
import shutil
import signal

import numpy as np
import pytest
from PIL import Image

from keras_seg.cli import evaluate_ray
from keras_seg.cli.altering import altered
from keras_seg.cli.evaluate_ray import Job as Parts
from keras_seg.cli.evaluate_ray import evaluate_by_ray
from keras_seg.cli.network import open_network
from keras_seg.cli.predict_extras import Extra
from keras_seg.cli.predict_plan import output_names
from keras_seg.cli.predict_plan import plan
from keras_seg.cli.predict_ray import Job
from keras_seg.cli.predict_ray import predict_by_ray
from keras_seg.cli.prediction_cache import RECORD
from keras_seg.cli.prediction_cache import PredictionCache
from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data import Folder
from keras_seg.data import Pair
from keras_seg.data import from_folder
from keras_seg.data import synthetic
from keras_seg.deployment.metadata import ExportMetadata
from tests.data.test_geotiff import write as write_geotiff

pytestmark = pytest.mark.once

CLASSES = ClassTable(
    names=("field", "forest", "water"),
    colors=((0, 0, 0), (0, 200, 0), (0, 0, 200)),
)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """One convolution, 9×9: it needs no backend, and sees a tile's border."""
    onnx = pytest.importorskip("onnx")
    kernel = np.random.default_rng(0).normal(size=(3, 3, 9, 9)).astype("f4")
    node, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [
            node("Transpose", ["x"], ["a"], perm=(0, 3, 1, 2)),
            node("Conv", ["a", "kernel"], ["b"], pads=[4] * 4),
            node("Transpose", ["b"], ["y"], perm=(0, 2, 3, 1)),
        ],
        "network",
        [value("x", 1, ["n", "h", "w", 3])],
        [value("y", 1, ["n", "h", "w", 3])],
        [onnx.numpy_helper.from_array(kernel, "kernel")],
    )
    opset = onnx.helper.make_opsetid("", 17)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9)
    known = ExportMetadata(
        model="network",
        format="onnx",
        class_table=CLASSES,
        size=None,
        channels=3,
        quantization=None,
        version="0",
        backend="none",
    )
    onnx.helper.set_model_props(model, {"keras_seg": known.to_json()})
    path = tmp_path_factory.mktemp("network") / "network.onnx"
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Images of several sizes, in two folders, a raster, and a damaged one."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    (folder / "more").mkdir()
    for i in range(12):
        pixels = rng.integers(0, 256, (40 + i, 50 + i % 3, 3), "uint8")
        Image.fromarray(pixels).save(
            folder / "more"[: 4 * (i % 2)] / f"{i}.png"
        )
    write_geotiff(
        folder / "map.tif", rng.integers(0, 256, (3, 700, 150), "uint8")
    )
    whole = (folder / "0.png").read_bytes()
    (folder / "damaged.png").write_bytes(whole[:-100])
    return folder


def contents(folder):
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and file.name != RECORD
    }


def test_predict(cluster, store, network, images, invoke, tmp_path):
    """Files, errors and what a restart skips are those of `predict`.

    The images are a folder, some in a list, and some in an object store.
    """
    far = {"1.png": "more/1.png", "a/2.png": "more/1.png", "b.tif": "map.tif"}
    for name, twin in far.items():
        store.upload_file(str(images / twin), "images", f"far/{name}")
    store.put_object(Bucket="images", Key="far/bad.png", Body=b"no image")
    manifest = tmp_path / "list.csv"
    shutil.copy(images / "2.png", tmp_path / "2.png")
    manifest.write_text(f"image,name\n2.png,list/two\n{images / '4.png'},\n")
    one, several = tmp_path / "one", tmp_path / "several"
    command = ("predict", "--model", network, "--tile", 64)
    plain = invoke(*command, images, manifest, "--out", one)
    ray = ("--out", several, "--ray", "local")
    found = invoke(*command, images, manifest, "s3://images/far", *ray)
    assert plain.stdout.splitlines()[-1].startswith("Wrote 14 of 15 masks")
    assert found.stdout.splitlines()[-1].startswith("Wrote 17 of 19 masks")
    assert found.exit_code == plain.exit_code == 1
    # Among lines on the progress, where that is slow.
    said, more = (
        [line for line in result.stderr.splitlines() if "KS-" in line]
        for result in (plain, found)
    )
    bad = set(more) - set(said)
    assert len(bad) == 1 and len(more) == 2
    assert bad.pop().startswith("KS-D009  s3://images/far/bad.png is not an")
    expected, written = contents(one), contents(several)
    for name, twin in far.items():
        stem, suffix = name.split(".")
        assert written.pop(name) == expected[twin]
        overlay = expected[f"{twin.split('.')[0]}_overlay.jpg"]
        assert written.pop(f"{stem}_overlay.jpg") == overlay
    assert written == expected
    again = invoke(*command, manifest, "s3://images/far/1.png", *ray)
    assert again.stdout.startswith("3 predicted before") and not again.stderr
    again = invoke(*command, manifest, "--out", several)
    assert again.stdout.startswith("2 predicted before") and not again.stderr


def test_outlines_name_the_object_and_not_its_copy(
    cluster, store, network, invoke, tmp_path
):
    """Of a raster, whose strips are joined, too."""
    pixels = np.zeros((3, 70, 8), "uint8")
    Image.fromarray(pixels[0]).convert("RGB").save(tmp_path / "a.png")
    write_geotiff(tmp_path / "b.tif", pixels)
    for name in ("a.png", "b.tif"):
        store.upload_file(str(tmp_path / name), "images", f"named/{name}")
    result = invoke(
        *("predict", "--model", network, "s3://images/named", "--tile", 64),
        *("--polygons", "labelme", "--out", tmp_path / "out"),
        *("--ray", "local"),
    )
    assert result.exit_code == 0, result.output
    for name in ("a.png", "b.tif"):
        outlines = json.loads(
            (tmp_path / "out" / f"{name[0]}.json").read_text()
        )
        assert outlines["imagePath"] == f"s3://images/named/{name}"


class Death(Extra):
    """Kills the worker that is about to write it, once."""

    def __init__(self, folder):
        self.folder = folder

    def files(self, name, image):
        return [f"{name}.txt"]

    def write(self, paths, found, class_table):
        stem = found.source.stem
        before = len(list(self.folder.glob(f"{stem}-*")))
        (self.folder / f"{stem}-{before}").touch()
        if stem == "6" and not before:
            os.kill(os.getpid(), signal.SIGKILL)
        paths[0].touch()


def test_a_killed_worker_loses_and_repeats_nothing(
    cluster, network, images, invoke, tmp_path
):
    """All images are one task, in the midst of which its worker is killed."""
    calls, out = tmp_path / "calls", tmp_path / "out"
    calls.mkdir()
    names = output_names(sorted(images.glob("?.png")), out)
    targets = plan(names, out, [Death(calls)])
    cache = PredictionCache(out, network, {})
    out.mkdir()
    for image, paths in targets.items():
        assert not cache.has(image, paths)
    cache.begin(targets)
    job = Job(
        model=str(network),
        last=False,
        views=altered,
        class_table=CLASSES,
        cache=cache,
        tiles=None,
        batch_size=len(targets),
        extras=[Death(calls)],
        bit_depth=None,
        bands=None,
        pseudo=None,
    )
    done = []
    found = predict_by_ray(
        job,
        targets,
        address="local",
        workers=1,
        gpus=None,
        several=False,
        progress=done.append,
        counts=collections.Counter(),
    )
    assert found == (5, []) and done == [5]
    assert {x.name for x in calls.iterdir()} == {
        *(f"{i}-0" for i in (0, 2, 4, 6, 8)),
        "6-1",
    }
    lines = (out / RECORD).read_text().split("\n")
    noted = [json.loads(line)["image"] for line in lines if line]
    assert sorted(image[0] for image in noted if image) == sorted(
        map(str, targets)
    )
    assert not cache.left_over()
    one = tmp_path / "one"
    invoke("predict", "--model", network, *targets, "--out", one)
    for name, content in contents(one).items():
        assert (out / name).read_bytes() == content


def test_a_worker_that_starts_elsewhere_knows_what_is_done(
    network, images, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    image, out = images / "0.png", pathlib.Path("out")
    targets = plan({image: "0"}, out)
    cache = PredictionCache(out, network, {})
    cache.has(image, targets[image])
    out.mkdir()
    for path in targets[image]:
        path.touch()
    cache.note(image, targets[image])
    settings = (None, 1, (), None, None, None)
    job = Job(str(network), False, altered, CLASSES, cache, *settings)
    content = pickle.dumps(job)
    monkeypatch.chdir("/")
    job = pickle.loads(content)  # noqa: S301
    assert job()(targets).written == 1
    assert job.cache.has(image, targets[image])
    assert not any(path.stat().st_size for path in targets[image])


def test_limits_hold_in_workers(
    cluster, network, images, invoke, tmp_path, monkeypatch
):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    result = invoke(
        *("predict", "--model", network, images / "0.png", "--ray", "local"),
        *("--out", tmp_path, "--max-pixels", 1000),
    )
    assert result.exit_code == 1 and "--max-pixels" in result.stderr
    monkeypatch.undo()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    one = images / "0.png"
    pairs = Folder([Pair("0", one, one)], CLASSES)
    evaluate = Parts(str(network), False, None, pairs, 1, limits=(1000,))()
    with pytest.raises(DataError, match="--max-pixels"):
        evaluate([0])


def test_evaluate(cluster, network, invoke, tmp_path, monkeypatch):
    """All numbers and pictures, of images of several sizes and void."""
    rng = np.random.default_rng(0)
    sizes = [(40, 50)] * 6 + [(30, 50)] + [(40, 50)] * 5
    pixels = [rng.integers(0, 256, (*size, 3), "uint8") for size in sizes]
    masks = [rng.integers(0, 3, size, "uint8") for size in sizes]
    masks[3][:10] = 255
    data = tmp_path / "data"
    synthetic.write_folder(data, pixels, masks, CLASSES, "val")
    inside = data / "val" / "images"
    (inside / "0005.png").unlink()
    pixels[5][:4] = 7
    write_geotiff(inside / "0005.tif", np.moveaxis(pixels[5], -1, 0), nodata=7)
    one, several = tmp_path / "one", tmp_path / "several"
    plain = invoke("evaluate", network, data, "--out", one)
    ray = ("--ray", "local", "--workers", 1)
    found = invoke("evaluate", network, data, "--out", several, *ray)
    assert plain.exit_code == found.exit_code == 0, found.output
    assert found.stdout == plain.stdout.replace(str(one), str(several))
    assert contents(one) == contents(several)
    held_out = from_folder(data, "val", class_table=CLASSES).subset([4, 5])
    job = Parts(str(network), False, None, held_out, 1)
    # In this process: a worker was heard above.
    monkeypatch.setattr(
        evaluate_ray, "spread", lambda make, parts, *_: map(make(), parts)
    )
    evaluate_by_ray(job, open_network(network).load(), "local", 1, None, print)
    assert held_out.without_data == {1: 200}
    refused = invoke(
        *("evaluate", network, data, "--ray", "local", "--trimap", "void")
    )
    assert refused.exit_code == 1
    assert refused.stderr.startswith("--trimap is measured by one process")
