"""A run that is killed, at any moment, and goes on."""

import csv
import os
import random
import subprocess
import sys
import time

import pytest

from keras_seg.training.checkpoint import read_checkpoint
from tests.conftest import ROOT
from tests.training import run_to_kill
from tests.training.runs import assert_same_run
from tests.training.runs import check_whole_files


def start(out, epochs):
    return subprocess.Popen(
        [sys.executable, run_to_kill.__file__, str(out), str(epochs)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def kill_after(process, seconds):
    """SIGKILL, so many seconds after its training began."""
    line = process.stdout.readline()
    time.sleep(seconds)
    process.kill()
    process.communicate()
    return line


@pytest.mark.once
@pytest.mark.filterwarnings("ignore:Only")
def test_killed_once(tmp_path):
    out, whole = tmp_path / "run", tmp_path / "whole"
    process = start(out, 4)
    assert kill_after(process, random.uniform(0, 1)) == "training\n"
    check_whole_files(out)
    for path in (out, whole):
        run_to_kill.run(path, 4)
        check_whole_files(path)
    assert_same_run(out, whole)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Only")
def test_killed_twenty_times(tmp_path):
    out, whole = tmp_path / "run", tmp_path / "whole"
    epochs, kills = 60, 0
    begin = time.monotonic()
    run_to_kill.run(whole, epochs)
    each = (time.monotonic() - begin) / epochs
    with open(whole / "history.csv", newline="") as file:
        first = float(next(csv.DictReader(file))["seconds"])  # it compiles
    delays = random.Random(time.time())
    reached = []
    while kills < 20:
        process = start(out, epochs)
        seconds = delays.uniform(0, first + 3 * each)
        if kill_after(process, seconds) == "training\n":
            kills += 1
            check_whole_files(out)
            done = 0
            if (out / "state.npz").is_file():
                done = read_checkpoint(out / "state.npz")[0]["epoch"]
            reached.append(done)
    print("epochs done at each kill:", reached)
    assert reached[-1] < epochs
    run_to_kill.run(out, epochs)
    check_whole_files(out)
    assert_same_run(out, whole)
