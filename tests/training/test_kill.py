"""A run that is killed, at any moment, and goes on."""

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

# Not the generator that every test starts with a seed of its own.
CHANCE = random.SystemRandom()


def start(out, epochs):
    return subprocess.Popen(
        [sys.executable, run_to_kill.__file__, str(out), str(epochs)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def kill_after(process, lines, seconds):
    """SIGKILL, so many lines and seconds after the process was started."""
    for _ in range(lines):
        process.stdout.readline()
    time.sleep(seconds)
    ended = process.poll() is not None
    process.kill()
    process.communicate()
    return not ended


def to_the_end(out, epochs):
    begin = time.monotonic()
    process = start(out, epochs)
    process.communicate()
    assert process.returncode == 0
    return time.monotonic() - begin


@pytest.mark.once
@pytest.mark.filterwarnings("ignore:Only")
def test_killed_once(tmp_path):
    out, whole = tmp_path / "run", tmp_path / "whole"
    assert kill_after(start(out, 4), 1, CHANCE.uniform(0, 1))
    check_whole_files(out)
    for path in (out, whole):
        run_to_kill.run(path, 4)
        check_whole_files(path)
    assert_same_run(out, whole)


@pytest.mark.slow
def test_killed_twenty_times(tmp_path):
    """From the first import to the end of the epochs after it."""
    out, whole = tmp_path / "run", tmp_path / "whole"
    epochs, kills, reached = 120, 0, []
    seconds = to_the_end(whole, epochs) / epochs
    while kills < 20:
        process = start(out, epochs)
        # The first line comes when training begins, the next with an epoch.
        lines = CHANCE.randint(0, 3)
        if not kill_after(process, lines, CHANCE.uniform(0, 2 * seconds)):
            break
        kills += 1
        if out.exists():
            check_whole_files(out)
        done = 0
        if (out / "state.npz").is_file():
            done = read_checkpoint(out / "state.npz")[0]["epoch"]
        reached.append(done)
    print("epochs done at each kill:", reached)
    assert kills == 20 and 0 < reached[-1] < epochs
    to_the_end(out, epochs)
    check_whole_files(out)
    assert_same_run(out, whole)
