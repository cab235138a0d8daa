"""The learning rates of the papers, against their formulas."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_seg.schedules import Poly
from keras_seg.schedules import Step


def rates(schedule, steps):
    return [float(schedule(step)) for step in steps]


def test_poly_half_way():
    """papers.md 2.4: half-way with power 0.9 the factor is 0.5359."""
    assert rates(Poly(1.0, 20_000), [10_000])[0] == pytest.approx(
        0.5359, abs=5e-5
    )


@pytest.mark.once
@given(
    steps=st.integers(1, 30_000),
    share=st.floats(0, 2),
    power=st.sampled_from([0.5, 0.9, 1.0]),
)
def test_poly_is_the_formula(steps, share, power):
    step = int(share * steps)
    expected = 0.007 * max(0.0, 1 - step / steps) ** power
    (found,) = rates(Poly(0.007, steps, power), [step])
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("steps", [3, 10, 1000, 30_000])
def test_poly_past_its_end_when_compiled(steps):
    """Keras's PolynomialDecay is NaN there under XLA."""
    optimizer = keras.optimizers.SGD(Poly(0.1, steps))
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse")
    optimizer.iterations.assign(steps)
    before = [x.copy() for x in model.get_weights()]
    model.fit(np.ones((2, 2)), np.ones((2, 1)), verbose=0)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)


def test_step_at_its_boundaries():
    """Caffe: rate · gamma ^ floor(iteration / stepsize)."""
    schedule = Step(0.001, every=2000)
    found = rates(schedule, [0, 1999, 2000, 3999, 4000])
    assert found == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5], rel=1e-5)


def test_updates_are_counted_not_batches():
    assert rates(Poly(1.0, 10, 1.0, accumulation=4), [3, 4, 20]) == (
        pytest.approx([1.0, 0.9, 0.5])
    )
    assert rates(Step(1.0, 2, accumulation=3), [5, 6]) == pytest.approx(
        [1.0, 0.1]
    )


@pytest.mark.once
@pytest.mark.parametrize(
    "schedule", [Poly(0.1, 7, 0.5, 2), Step(0.1, 3, 0.2, 2)]
)
def test_saved(schedule):
    config = keras.optimizers.schedules.serialize(schedule)
    copy = keras.optimizers.schedules.deserialize(config)
    assert copy.get_config() == schedule.get_config()


@pytest.mark.once
def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: steps=0"):
        Poly(0.1, 0)
    with pytest.raises(ValueError, match="Received: every=1.5"):
        Step(0.1, 1.5)
    with pytest.raises(ValueError, match="Received: accumulation=0"):
        Poly(0.1, 10, accumulation=0)
