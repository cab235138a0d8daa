import json
import os
import shutil
import signal
import zipfile

import keras
import numpy as np
import pytest

import keras_seg
from keras_seg.data import ClassTable
from keras_seg.runs import RunError
from keras_seg.runs import RunFolder
from keras_seg.runs import Settings
from keras_seg.runs.files import writing
from keras_seg.runs.model_file import without_optimizer
from keras_seg.training.estimates import peak_memory

CLASSES = ClassTable(
    ("sky", "road"), ((1, 2, 3), (4, 5, 6)), frozenset({9, 255})
)


def model(classes=2):
    image = keras.Input((None, None, 3))
    return keras.Model(image, keras.layers.Conv2D(classes, 1)(image))


@pytest.fixture
def run(tmp_path):
    run = RunFolder.create(tmp_path / "a" / "run", Settings(seed=5), CLASSES)
    run.save_model(model(), "model.keras")
    return run


def message(tmp_path, function, *args):
    with pytest.raises(RunError) as caught:
        function(*args)
    return str(caught.value).replace(str(tmp_path), "HERE")


def test_round_trip(run):
    again = RunFolder.open(str(run.path))
    assert again.settings == Settings(seed=5).resolved()
    assert again.class_table == CLASSES
    names = {file.name for file in run.path.iterdir()}
    assert names == {
        "settings.json",
        "classes.csv",
        "environment.txt",
        "model.keras",
    }


@pytest.mark.once
def test_opening_clears_what_was_killed(run, fork):
    """Killed after its last file was moved, it is finished, and tidy."""

    def die(*args, **options):
        os.kill(os.getpid(), signal.SIGKILL)

    def finish(tell):
        shutil.rmtree = die
        run.write_text("README.md", "finished\n")

    child, _ = fork(finish)
    os.waitpid(child, 0)
    assert run.is_finished
    before = sorted(path.name for path in run.path.iterdir())
    with writing(run.path / "living.txt") as temporary:
        temporary.write_text("new")
        again = RunFolder.open(run.path)
    assert again.is_finished
    after = sorted(path.name for path in run.path.iterdir())
    assert len(before) == 6 and before[0].startswith(".writing-")
    assert after == [*before[1:-2], "living.txt", *before[-2:]]


def test_environment(run):
    lines = (run.path / "environment.txt").read_text().splitlines()
    values = dict(line.split(" ", 1) for line in lines)
    backend = keras.config.backend()
    assert values["keras_seg"] == keras_seg.__version__
    assert values["backend"] == backend
    assert values["keras"] == keras.__version__
    assert values[backend][0].isdigit()
    assert values["devices"]


def test_not_free(tmp_path, run):
    assert message(
        tmp_path, RunFolder.create, run.path, Settings(), CLASSES
    ) == (
        "HERE/a/run is not empty; a run never overwrites what is there. "
        "Fix: choose another folder, go on with keras-seg train --resume "
        "HERE/a/run, or remove this one."
    )
    file = tmp_path / "file"
    file.write_text("")
    assert message(tmp_path, RunFolder.check_free, file) == (
        "HERE/file is a file; a run needs a folder of its own. "
        "Fix: choose another folder."
    )
    (tmp_path / "empty").mkdir()
    RunFolder.check_free(tmp_path / "empty")


FIX = "Fix: pass the folder that keras-seg train wrote (--out)."


def test_not_a_run(tmp_path):
    assert message(tmp_path, RunFolder.open, tmp_path / "b") == (
        f"HERE/b does not exist; a run folder is expected. {FIX}"
    )
    assert message(tmp_path, RunFolder.open, tmp_path) == (
        "HERE is not a run folder: it has no environment.txt and no "
        f"classes.csv. {FIX}"
    )
    (tmp_path / "file").write_text("")
    assert message(tmp_path, RunFolder.open, tmp_path / "file") == (
        f"HERE/file is not a folder; a run folder is expected. {FIX}"
    )


def test_no_model(tmp_path, run):
    (run.path / "model.keras").unlink()
    assert message(tmp_path, RunFolder.open(run.path).load_model) == (
        "HERE/a/run has no model: neither best.keras nor model.keras; its "
        "first epoch has not ended. Fix: go on with keras-seg train --resume "
        "HERE/a/run."
    )


def test_damaged_settings(tmp_path, run):
    (run.path / "settings.json").write_text('{"sede": 1}')
    text = message(tmp_path, RunFolder.open, run.path)
    assert text.startswith(
        "HERE/a/run/settings.json cannot be read: There is no setting "
        "'sede'. Did you mean 'seed'?"
    )
    assert text.endswith("Fix: correct the file, or train again.")


def test_load_model(run):
    run.save_model(better := model(), "best.keras")
    for best, expected in ((True, better), (False, None)):
        loaded = run.load_model(best=best)
        kernel = loaded.layers[-1].get_weights()[0]
        same = np.array_equal(kernel, better.layers[-1].get_weights()[0])
        assert same == (expected is better)
    (run.path / "best.keras").unlink()
    assert run.model_path().name == "model.keras"


def test_incomplete_model(tmp_path, run):
    path = run.path / "model.keras"
    path.write_bytes(path.read_bytes()[:1000])
    assert message(tmp_path, run.load_model) == (
        "HERE/a/run/model.keras is not a Keras model, or is incomplete "
        "(1000 bytes). Fix: copy it again from its source, or train again."
    )


def test_model_of_another_run(tmp_path, run):
    run.save_model(model(3), "best.keras")
    assert message(tmp_path, run.load_model) == (
        "HERE/a/run/best.keras has 3 classes, and classes.csv beside it 2. "
        "Fix: put back the table it was trained with."
    )


def test_code_in_a_model_is_not_run(run):
    image = keras.Input((None, None, 3))
    x = keras.layers.Lambda(lambda x: x[..., :2])(image)
    run.save_model(keras.Model(image, x), "best.keras")
    with pytest.raises(ValueError, match="safe_mode|unsafe|lambda|Lambda"):
        run.load_model()


def test_damaged_model(run):
    """A whole archive with half of a configuration."""
    with zipfile.ZipFile(run.path / "best.keras", "w") as file:
        file.writestr("config.json", '{"class_name": "Functional"')
    with pytest.raises(RunError, match=r"best\.keras cannot be loaded: "):
        run.load_model()


def test_no_scores(tmp_path, run):
    assert message(tmp_path, run.scores) == (
        "HERE/a/run has no per_class_iou.csv; the run is not finished. "
        "Fix: keras-seg train --resume HERE/a/run."
    )
    (run.path / "per_class_iou.csv").write_text("id,name\n0,sky\n")
    assert message(tmp_path, run.scores) == (
        "HERE/a/run/per_class_iou.csv cannot be read: Line 2 has not id, "
        "name, iou, accuracy, pixels. Fix: correct the file, or train again."
    )


def test_damaged_data(tmp_path, run):
    (run.path / "data.json").write_text("[1]")
    assert message(tmp_path, lambda: run.data) == (
        "HERE/a/run/data.json cannot be read: It is no JSON object, but [1]. "
        "Fix: correct the file, or train again."
    )


def test_write_table(run):
    rows = [{"name": "sky, blue", "iou": 0.5}, {"name": "road", "iou": 1.0}]
    path = run.write_table("t.csv", rows)
    assert path.read_text() == 'name,iou\n"sky, blue",0.5\nroad,1.0\n'


def test_models_are_saved_without_their_optimizer(run):
    """Adam keeps two numbers for each weight: a file three times as large."""
    compiled = model()
    compiled.compile("adam", "mse")
    compiled.optimizer.build(compiled.trainable_variables)
    run.save_model(compiled, "best.keras")
    assert compiled.compiled
    assert keras.saving.load_model(run.path / "best.keras").compiled is False
    twin = without_optimizer(compiled)
    assert twin.get_config() == compiled.get_config()
    assert twin.layers[-1] is compiled.layers[-1]


def test_log(run):
    run.log("first")
    run.log("second")
    lines = (run.path / "log.txt").read_text().splitlines()
    assert [line[19:] for line in lines] == ["  first", "  second"]


def test_a_run_without_settings(tmp_path):
    RunFolder.create(tmp_path / "run", None, CLASSES)
    assert RunFolder.open(tmp_path / "run").settings is None


def rewrite(path, config):
    """Puts another configuration into a `.keras` file."""
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    parts["config.json"] = json.dumps(config)
    with zipfile.ZipFile(path, "w") as file:
        for name, part in parts.items():
            file.writestr(name, part)


@pytest.mark.parametrize(
    "build",
    [
        lambda: keras.Sequential([keras.layers.Conv2D(2, 1)]),
        lambda: keras.optimizers.Adam(),
        lambda: keras.losses.MeanSquaredError(),
        lambda: keras.layers.Dense(3),
    ],
)
def test_no_network_in_the_file(tmp_path, run, build):
    made = build()
    rewrite(run.model_path(), keras.saving.serialize_keras_object(made))
    text = message(tmp_path, run.load_model)
    if "cannot be loaded" not in text:
        assert text == (
            f"HERE/a/run/model.keras holds a {type(made).__name__}, and no "
            "network that gives a map of scores. Fix: copy it again from its "
            "source, or train again."
        )


def test_a_sequential_model_is_one(run):
    image = keras.Input((None, None, 3))
    net = keras.Sequential([image, keras.layers.Conv2D(2, 1)])
    run.save_model(net, "model.keras")
    assert run.load_model().output_shape == (None, None, None, 2)


@pytest.mark.parametrize("filters", [2**10, 2**24, 2**62])
def test_more_weights_than_bytes(tmp_path, run, filters):
    """Refused before memory is asked for: 800 MB with 2^24 filters."""
    config = keras.saving.serialize_keras_object(model())
    config["config"]["layers"][-1]["config"]["filters"] = filters
    rewrite(run.model_path(), config)
    assert model().count_params() == 8  # That the file holds.
    before, _ = peak_memory()
    text = message(tmp_path, run.load_model)
    if filters == 2**10:  # It would fit, and has another shape.
        assert "cannot be loaded" in text and "With its" not in text
        return
    name = config["config"]["layers"][-1]["name"]
    assert (
        f"cannot be loaded: With its layer '{name}' it would have "
        f"{3 * filters:,} weights, in "
    ) in text
    assert before is None or peak_memory()[0] - before < 100 * 2**20


@pytest.mark.once
def test_paths_that_are_no_text(run):
    """A byte of Latin-1 comes back from JSON, and breaks no other file."""
    name = os.fsdecode(b"f\xe9.png")
    run.write_text("data.json", json.dumps({"path": name}, ensure_ascii=False))
    assert run.data == {"path": name}
    run.log(name)
    run.log("later")
    assert "f\\udce9.png\n" in (run.path / "log.txt").read_text("utf-8")
    table = run.write_table("images.csv", [{"image": name, "iou": 1.0}])
    assert table.read_text("utf-8") == "image,iou\nf\\udce9.png,1.0\n"
