"""What trackers are sent, read back from what they keep offline."""

import csv
import json
import pathlib
import struct
import zlib

import numpy as np
import pytest

from keras_seg.data import synthetic
from keras_seg.hub import published
from keras_seg.inference import Evaluation
from keras_seg.lazy import optional
from keras_seg.runs import RunError
from keras_seg.runs import RunFolder
from keras_seg.runs import RunWarning
from keras_seg.runs import Settings
from keras_seg.training import resume
from keras_seg.training import train
from keras_seg.training.save_run import SaveRun
from keras_seg.training.tracking import Tracker
from keras_seg.training.tracking import trackers

pytestmark = [
    pytest.mark.once,
    pytest.mark.filterwarnings("ignore:Only:keras_seg.runs.RunWarning"),
    # Of W&B, which cannot look up there how far the run was.
    pytest.mark.filterwarnings("ignore:.*resume"),
]

CLASSES = synthetic.MEMBRANE_CLASSES
SETTINGS = Settings(
    model="unet",
    backbone=None,
    weights=None,
    options={"filters": 2, "depth": 1},
    epochs=3,
    batch_size=2,
    crop=16,
    learning_rate=1e-2,
    track="tensorboard, wandb,mlflow",
)
EPOCHS = [1, 2, 3]


@pytest.fixture(scope="module")
def pairs():
    return list(zip(*synthetic.membranes(3, size=32), strict=True))


@pytest.fixture(scope="module")
def offline(tmp_path_factory):
    """The trackers keep what they are sent in a folder."""
    folder = tmp_path_factory.mktemp("offline")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, value in (
            ("WANDB_MODE", "offline"),
            ("WANDB_SILENT", "true"),
            ("MLFLOW_TRACKING_URI", f"file:{folder}/mlflow"),
            ("MLFLOW_ALLOW_FILE_STORE", "true"),
        ):
            patch.setenv(name, value)
        yield folder


@pytest.fixture(scope="module")
def run(offline, pairs):
    """A run that was killed in its second epoch, after that was sent."""
    with pytest.MonkeyPatch.context() as patch:
        write = SaveRun._write_state

        def killed(self, epoch):
            if epoch == 1:
                raise KeyboardInterrupt
            write(self, epoch)

        patch.setattr(SaveRun, "_write_state", killed)
        data = pairs[:2], pairs[2:]
        with pytest.raises(KeyboardInterrupt):
            train(
                SETTINGS, *data, offline / "a", class_table=CLASSES, verbose=0
            )
    resume(offline / "a", *data, verbose=0)
    return RunFolder.open(offline / "a")


def table(run, name):
    with open(run.path / name, newline="") as file:
        return list(csv.DictReader(file))


def expected(run):
    """What each number is after each epoch, by the files of the run."""
    found = {}
    for row in table(run, "history.csv"):
        epoch = int(row.pop("epoch"))
        del row["seconds"]
        for name, value in row.items():
            found[name, epoch] = float(value)
        # DeepLab's "poly" schedule, a third of which an epoch is.
        found["learning_rate", epoch] = 1e-2 * (1 - (epoch - 1) / 3) ** 0.9
    for row in table(run, "class_history.csv"):
        found[f"iou/{row['name']}", int(row["epoch"])] = float(row["iou"])
    for row in run.scores():
        found[f"final/iou/{row['name']}", 3] = row["iou"]
    return {key: x for key, x in found.items() if x == x}


def check_numbers(run, found):
    """`found` has the final scores besides; its numbers may be float32."""
    known = expected(run)
    assert {key: found[key] for key in known} == pytest.approx(known, rel=1e-6)
    rows = table(run, "history.csv")
    best = max(rows, key=lambda row: float(row["val_mean_iou"]))
    assert found["best_epoch", 3] == int(best["epoch"])
    assert found["final/mean_iou", 3] == pytest.approx(
        float(best["val_mean_iou"]), rel=1e-5
    )
    names = {
        *("pixel_accuracy", "mean_accuracy", "mean_iou"),
        "frequency_weighted_iou",
    }
    extra = {key for key in found if key not in known}
    assert extra == {
        ("best_epoch", 3),
        *((f"final/{name}", 3) for name in names),
    }


def matrix_of(run, pairs):
    from keras_seg.inference import evaluate

    model = run.load_model()
    return evaluate(model, pairs[2:], class_table=CLASSES).matrix.tolist()


def records(path):
    """The records of an event file, whose checksums TensorBoard verifies."""
    from tensorboard.compat.proto import event_pb2
    from tensorboard.compat.tensorflow_stub import pywrap_tensorflow

    reader = pywrap_tensorflow.PyRecordReader_New(str(path))
    while True:
        try:
            reader.GetNext()
        except Exception as error:
            assert type(error).__name__ == "OutOfRangeError"
            return
        yield event_pb2.Event.FromString(reader.record())


def test_tensorboard(run, pairs):
    first, second = sorted((run.path / "tracking/tensorboard").iterdir())
    before, after = list(records(first)), list(records(second))
    assert before[0].file_version == after[0].file_version == "brain.Event:2"
    # TensorBoard drops what it had from this step on.
    assert after[1].session_log.status == 1 and after[1].step == 2
    events = [event for event in before if event.step < 2] + after
    numbers, pictures, others = {}, {}, {}
    for event in events:
        for value in event.summary.value:
            kind = value.WhichOneof("value")
            if kind == "simple_value":
                assert (value.tag, event.step) not in numbers
                numbers[value.tag, event.step] = value.simple_value
            elif kind == "image":
                pictures[value.tag, event.step] = value.image
            else:
                others[value.tag] = value
    check_numbers(run, numbers)
    for epoch in EPOCHS:
        file = run.path / f"samples/epoch_00{epoch}.png"
        sent = pictures["samples", epoch].encoded_image_string
        assert sent == file.read_bytes()
    plot = (run.path / "confusion.png").read_bytes()
    assert pictures["confusion", 3].encoded_image_string == plot
    text = others["confusion"].tensor.string_val[0].decode()
    cells = [line.split(" | ")[1:] for line in text.splitlines()[2:]]
    counts = [[int(cell.strip(" |")) for cell in row] for row in cells]
    assert counts == matrix_of(run, pairs)
    hparams(run, others)


def hparams(run, values):
    from tensorboard.plugins.hparams import plugin_data_pb2

    begin, end = (
        plugin_data_pb2.HParamsPluginData.FromString(
            values[
                f"_hparams_/session_{name}_info"
            ].metadata.plugin_data.content
        )
        for name in ("start", "end")
    )
    sent = begin.session_start_info.hparams
    assert sent["learning_rate"].number_value == 1e-2
    assert sent["flip"].bool_value is True
    assert sent["model"].string_value == "unet"
    assert set(sent) == set(json.loads(run.settings.to_json()))
    assert end.session_end_info.status == 1  # Success.


def logged(path):
    """The records of an offline run of W&B, in the log format of LevelDB."""
    from wandb.proto import wandb_internal_pb2

    content = path.read_bytes()
    place, parts = 7, b""  # Behind the header of the file.
    assert content[:4] == b":W&B"
    while place < len(content):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        crc, size, kind = struct.unpack_from("<IHB", content, place)
        part = content[place + 7 : place + 7 + size]
        assert crc == zlib.crc32(bytes([kind]) + part)
        place += 7 + size
        parts += part
        if kind in (1, 4):  # Whole, or the last part.
            yield wandb_internal_pb2.Record.FromString(parts)
            parts = b""


def test_wandb(run, pairs):
    files = sorted((run.path / "tracking").glob("wandb/offline-run-*/*.wandb"))
    assert len(files) == 2 and len({file.name for file in files}) == 1
    numbers, pictures, configs, exits = {}, {}, {}, []
    for file in files:
        for record in logged(file):
            step = record.history.step.num
            for item in record.history.item:
                name, *inner = item.nested_key or [item.key]
                value = json.loads(item.value_json)
                if inner == ["path"]:
                    pictures[name, step] = file.parent / "files" / value
                elif not inner and not name.startswith("_"):
                    numbers[name, step] = value
            for item in record.run.config.update:
                configs[item.key] = json.loads(item.value_json)
            if record.HasField("exit"):
                exits.append(record.exit.exit_code)
    check_numbers(run, numbers)
    assert exits == [1, 0]
    for epoch in EPOCHS:
        file = run.path / f"samples/epoch_00{epoch}.png"
        assert pictures["samples", epoch].read_bytes() == file.read_bytes()
    settings = json.loads(run.settings.to_json())
    assert {key: configs[key] for key in settings} == settings
    sent = json.loads(pictures["confusion_matrix", 3].read_text())
    assert [row[1:] for row in sent["data"]] == matrix_of(run, pairs)


def test_mlflow(run, pairs, offline):
    from mlflow import MlflowClient

    client = MlflowClient()
    experiment = client.get_experiment_by_name("keras-seg")
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.run_name == "a" and found.info.status == "FINISHED"
    numbers = {}
    for name in found.data.metrics:
        for metric in client.get_metric_history(found.info.run_id, name):
            assert (name, metric.step) not in numbers
            numbers[name, metric.step] = metric.value
    check_numbers(run, numbers)
    settings = json.loads(run.settings.to_json())
    assert set(found.data.params) == set(settings)
    assert found.data.params["model"] == "unet"
    kept = pathlib.Path(found.info.artifact_uri.removeprefix("file://"))
    for name in (
        "confusion.png",
        *(f"samples/epoch_00{n}.png" for n in EPOCHS),
    ):
        assert (kept / name).read_bytes() == (run.path / name).read_bytes()
    sent = json.loads((kept / "confusion.json").read_text())
    assert [row[1:] for row in sent["data"]] == matrix_of(run, pairs)
    assert sent["columns"][1:] == list(CLASSES.names)


class Broken(Tracker):
    name = "broken"

    def open(self, number):
        return "1"

    def scalars(self, step, values):
        raise ConnectionError("no route to host")


def test_counts_of_labels(tmp_path):
    """A matrix of two by two for each, the truth in its rows."""
    run = RunFolder.create(tmp_path / "run", None, CLASSES)
    matrix = np.array([[[7, 1], [2, 3]], [[4, 5], [6, 8]]])
    header, rows = Broken(run).counts(matrix)
    assert header == ["label", "neither", "predicted", "true", "both"]
    assert rows == [
        [CLASSES.names[0], 7, 1, 2, 3],
        [CLASSES.names[1], 4, 5, 6, 8],
    ]


def test_a_lost_connection_ends_no_run(tmp_path):
    run = RunFolder.create(tmp_path / "run", None, CLASSES)
    tracker = Broken(run)
    found = Evaluation(np.eye(len(CLASSES), dtype="int64"), CLASSES, 1)
    with pytest.warns(RunWarning, match="no route to host") as caught:
        tracker.finish(found, 3, None)
        tracker.finish(found, 3, None)
    assert len(caught) == 1


def test_a_tracker_that_refuses_the_run(tmp_path, monkeypatch):
    """Before the first epoch, with the way to go on."""
    run = RunFolder.create(tmp_path / "run", None, CLASSES)
    monkeypatch.setattr(Broken, "open", Broken.scalars)
    with pytest.raises(TypeError):
        Broken.open(None)
    monkeypatch.setattr(Broken, "open", lambda self, number: 1 / 0)
    with pytest.raises(RunError, match="--resume .*run"):
        Broken(run)


def test_a_missing_package_is_said_before_anything_is_written(
    tmp_path, pairs, monkeypatch
):
    def missing(name, extra, user):
        return optional("no_such_package", extra, user)

    monkeypatch.setattr("keras_seg.training.tracking.optional", missing)
    with pytest.raises(ImportError, match=r"pip install 'keras-seg\[track\]'"):
        train(SETTINGS, pairs, None, tmp_path / "run", class_table=CLASSES)
    assert not (tmp_path / "run").exists()


def test_csv_is_what_every_run_writes(tmp_path):
    run = RunFolder.create(tmp_path / "run", Settings(), CLASSES)
    with trackers(run.settings.track, run) as found:
        assert found == []


def test_without_a_folder(pairs):
    with pytest.raises(ValueError, match="`track` needs a run folder"):
        train(SETTINGS, pairs, class_table=CLASSES)


def test_what_they_keep_is_not_published(run):
    """W&B keeps logs that say much of the machine."""
    files = published(run, "me/a")
    assert "history.csv" in files
    assert not [name for name in files if name.startswith("tracking")]
