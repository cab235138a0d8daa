import keras
import numpy as np
import pytest
from keras import layers

from keras_seg.layers import ASPP
from keras_seg.pretrained.torchvision.state import State
from tests.networks import relative_difference

torch = pytest.importorskip("torch")


def built(layer, channels=4):
    layer.build((None, 6, 7, channels))
    return layer


def call(layer, x):
    return keras.ops.convert_to_numpy(layer(x))


def theirs(module, x):
    with torch.no_grad():
        y = module.eval()(torch.tensor(np.moveaxis(x, -1, 1)))
    return np.moveaxis(y.numpy(), 1, -1)


def norm(channels):
    module = torch.nn.BatchNorm2d(channels)
    for tensor in (*module.parameters(), module.running_mean):
        torch.nn.init.normal_(tensor)
    torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    return module


# One of every kind: PyTorch's kernels are (out, in / groups, rows, columns).
KINDS = {
    "conv": (
        lambda: layers.Conv2D(5, (3, 1), padding="same"),
        lambda: torch.nn.Conv2d(4, 5, (3, 1), padding=(1, 0)),
    ),
    "no bias": (
        lambda: layers.Conv2D(5, 1, 2, use_bias=False),
        lambda: torch.nn.Conv2d(4, 5, 1, 2, bias=False),
    ),
    "depthwise": (
        lambda: layers.DepthwiseConv2D(
            3, dilation_rate=2, padding="same", use_bias=False
        ),
        lambda: torch.nn.Conv2d(
            4, 4, 3, padding=2, dilation=2, groups=4, bias=False
        ),
    ),
    "norm": (
        lambda: layers.BatchNormalization(epsilon=1e-5),
        lambda: norm(4),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_computes_the_same(kind):
    torch.manual_seed(0)
    layer, module = (build() for build in KINDS[kind])
    modules = torch.nn.ModuleDict({"a": module})
    state = State(modules.state_dict(), modules)
    state.fill(built(layer), "a")
    state.check_all_used()
    x = np.random.default_rng(0).normal(size=(2, 6, 7, 4)).astype("float32")
    assert relative_difference(call(layer, x), theirs(module, x)) < 1e-5


@pytest.mark.once
def test_every_tensor_of_a_pyramid_has_a_place():
    """The names of peers.md 3.2: the pooling is index 0 of its branch."""
    branch = (".0.weight", *(f".1.{name}" for name in NORM))
    names = [f"a.convs.{i}{name}" for i in range(4) for name in branch]
    names += [f"a.project{name}" for name in branch]
    names += ["a.convs.4.1.weight", *(f"a.convs.4.2.{name}" for name in NORM)]
    aspp = built(ASPP(8, (1, 2, 3)))
    arrays = {}
    for number, name in enumerate(names):
        kernel = len(name.split(".")) > 3 and name.endswith("0.weight")
        kernel = kernel or name == "a.convs.4.1.weight"
        arrays[name] = np.full(_shape(name) if kernel else 8, number + 1.0)
    state = State(arrays)
    state.fill(aspp, "a")
    state.check_all_used()
    values = [float(np.mean(w)) for w in aspp.get_weights()]
    assert sorted(values) == [number + 1.0 for number in range(len(names))]
    assert float(np.mean(aspp.form.project_conv.kernel)) == 1 + names.index(
        "a.project.0.weight"
    )


NORM = ("weight", "bias", "running_mean", "running_var")


def _shape(name):
    if "project" in name:
        return (8, 40, 1, 1)
    size = 1 if ".0.0." in name or ".4." in name else 3
    return (8, 4, size, size)


@pytest.mark.once
def test_half_precision():
    module = torch.nn.Conv2d(4, 5, 1).to(torch.bfloat16)
    layer = built(layers.Conv2D(5, 1))
    State({f"a.{k}": v for k, v in module.state_dict().items()}).fill(
        layer, "a"
    )
    np.testing.assert_array_equal(
        layer.get_weights()[1], module.bias.detach().float().numpy()
    )


@pytest.mark.once
def test_missing_tensors_and_other_shapes():
    layer = built(layers.Conv2D(5, (3, 1)))
    kernel = np.zeros((5, 4, 3, 1))
    with pytest.raises(ValueError, match=r"no 'a.weight', .* \(5, 4, 3, 1\)"):
        State({"b.weight": kernel}).fill(layer, "a")
    with pytest.raises(ValueError, match=r"no 'a.bias', .*shape \(5,\)"):
        State({"a.weight": kernel}).fill(layer, "a")
    turned = kernel.transpose(2, 3, 1, 0)
    with pytest.raises(
        ValueError,
        match=r"'a.weight' .* \(5, 4, 3, 1\). Received: shape=\(3, 1, 4, 5\)",
    ):
        State({"a.weight": turned}).fill(layer, "a")


@pytest.mark.once
def test_tensors_that_are_left():
    left = {f"a.{number}": np.zeros(1) for number in range(7)}
    with pytest.raises(ValueError, match="7 tensors .*: a.0, .* a.4, …$"):
        State(left).check_all_used()
    State(left).check_all_used(spared=("a.",))
    # PyTorch's counters of batches have no place anywhere.
    State({"a.num_batches_tracked": np.zeros(())}).check_all_used()


@pytest.mark.once
@pytest.mark.parametrize(
    "options, message",
    [
        ({"stride": 2}, r"stride of 'a' must be \(1, 1\). Received: .*2, 2"),
        ({"dilation": 2}, r"dilation of 'a' must be \(1, 1\)"),
        ({"padding": 0}, r"padding of 'a' must be \(1, 1\)"),
        ({}, None),
    ],
)
def test_a_module_built_in_another_way(options, message):
    options = {"padding": 1, **options}
    modules = torch.nn.ModuleDict({"a": torch.nn.Conv2d(4, 5, 3, **options)})
    layer = built(layers.Conv2D(5, 3, padding="same"))
    state = State(modules.state_dict(), modules)
    if message is None:
        state.fill(layer, "a")
        return
    with pytest.raises(ValueError, match=message):
        state.fill(layer, "a")


@pytest.mark.once
def test_another_epsilon():
    modules = torch.nn.ModuleDict({"a": torch.nn.BatchNorm2d(4, eps=1e-3)})
    layer = built(layers.BatchNormalization(epsilon=1e-5))
    with pytest.raises(ValueError, match="eps of 'a' must be 1e-05"):
        State(modules.state_dict(), modules).fill(layer, "a")
