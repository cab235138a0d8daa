"""The simulation of many workers, against what must hold for any queue."""

import importlib
import pathlib
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = pathlib.Path(__file__).parents[1]

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def scale():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield importlib.import_module("scale")
    sys.path.remove(str(ROOT / "benchmarks"))


SPEEDS = st.fixed_dictionaries(
    {
        "store": st.floats(1e3, 1e9),
        "link": st.floats(1e3, 1e9),
        "dispatch": st.floats(0, 1),
        "start": st.floats(0, 100),
        "spread": st.sampled_from([0.0, 0.3]),
    }
)


@given(
    st.integers(1, 40),
    st.integers(1, 5),
    st.floats(0.01, 10),
    st.integers(1, 50),
    SPEEDS,
)
def test_no_queue_is_faster_than_its_parts(
    scale, blocks, images, seconds, workers, speeds
):
    job = scale.Job(blocks, images, 100.0, 3.0, seconds, 10.0)
    hours, busy = scale.simulate(job, workers, **speeds)
    assert all(0 <= share <= 1 + 1e-9 for share in busy.values())
    # One block after another, nothing at the same time, is the slowest.
    one = (
        speeds["dispatch"]
        + job.bytes_in * (1 / speeds["store"] + 1 / speeds["link"])
        + job.bytes_out / speeds["store"]
    )
    working = busy["workers"] * workers * hours
    slowest = working + (speeds["start"] + blocks * one) / 3600
    assert hours <= slowest * (1 + 1e-9)


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0.01, 10))
def test_workers_share_the_blocks(scale, blocks, workers, seconds):
    """Nothing but the network takes time: the fullest worker's blocks."""
    job = scale.Job(blocks, 1, 100.0, 3.0, seconds, 10.0)
    hours, busy = scale.simulate(
        job, workers, store=1e18, link=1e18, dispatch=0, start=5, spread=0
    )
    fullest = -(-blocks // workers)
    assert hours * 3600 == pytest.approx(5 + fullest * seconds)
    assert busy["workers"] == pytest.approx(
        blocks * seconds / (workers * (5 + fullest * seconds))
    )


def test_the_page_shows_what_the_script_prints(scale):
    page = (ROOT / "docs" / "scale.md").read_text()
    found = scale.report(scale.read(), scale.parse_arguments([]))
    assert found in page
    for row in scale.read().values():
        assert f"| {float(row['seconds']):.2f} |" in page
