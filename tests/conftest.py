"""What all tests share: the backend of this process, real data, parity."""

# ruff: noqa: E402

import atexit
import contextlib
import gc
import os
import pathlib
import random
import signal
import sys
import tempfile

# Before Keras is imported: nothing is written into the user's home, waiting
# threads sleep, and the CPU is used.
SCRATCH = tempfile.TemporaryDirectory(
    prefix="keras_seg_tests", ignore_cleanup_errors=True
)
os.environ.setdefault("KERAS_HOME", SCRATCH.name)
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# TensorFlow leaves it out on a CPU without AVX-512, and then has no
# convolution with channels first.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
# So little that a test can see whether Ray's workers wait where it is full.
os.environ.setdefault("RAY_DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES", str(2**27))
# Tests compile far more than they run: on JAX without LLVM's optimization a
# third faster, without its expensive passes a sixth, with the older emitters
# up to twice as fast. TensorFlow has the same compiler.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 "
    "--xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_use_fusion_emitters=false",
)
if os.environ.get("KERAS_BACKEND") == "jax":
    # A sixth again if what one test compiled serves the others.
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", f"{SCRATCH.name}/jax")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import hypothesis
import keras
import numpy as np
import pytest

from tests.quick_initializers import draw_by_numpy

if keras.backend.backend() == "jax":
    draw_by_numpy()

ROOT = pathlib.Path(__file__).resolve().parents[1]

hypothesis.settings.register_profile(
    "keras_seg",
    deadline=None,
    derandomize=True,
    # JAX compiles anew for every size that is drawn.
    max_examples=5 if keras.backend.backend() == "jax" else 20,
    suppress_health_check=list(hypothesis.HealthCheck),
)
hypothesis.settings.load_profile("keras_seg")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Tests that need no backend run beside PyTorch only, unless asked for.

    The examples of docstrings are such tests.
    """
    for item in items:
        if isinstance(item, pytest.DoctestItem):
            item.add_marker("once")
    named = config.args_source is not pytest.Config.ArgsSource.TESTPATHS
    if named or keras.backend.backend() == "torch":
        return
    once = [item for item in items if item.get_closest_marker("once")]
    if once:
        config.hook.pytest_deselected(items=once)
        items[:] = [item for item in items if item not in once]


def pytest_collection_finish():
    """What is there before the first test is not searched for garbage again:
    that took 5 of the 72 seconds of some files on TensorFlow."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def forget_compiled():
    """JAX keeps what a file compiled, of which the next one uses little.

    All together took 6 GB.
    """
    yield
    if keras.backend.backend() == "jax":
        import jax

        jax.clear_caches()
        gc.collect()
        gc.freeze()


def pytest_sessionfinish(exitstatus):
    """Python would take minutes to forget all that the tests compiled."""

    def leave():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exitstatus)

    SCRATCH.cleanup()
    atexit.register(leave)


@pytest.fixture(autouse=True)
def settings():
    """Every test starts from the same seeds and leaves the settings alone."""
    random.seed(0)  # Keras draws the seeds of its layers from this one.
    np.random.seed(0)
    yield
    keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy("float32")


def write_membranes(path, training, held_out):
    """A folder of drawn pairs of 32×32, split into train and val."""
    from keras_seg.data import synthetic

    images, masks = synthetic.membranes(training + held_out, size=32)
    classes = synthetic.MEMBRANE_CLASSES
    for split, part in (
        ("train", slice(training)),
        ("val", slice(training, None)),
    ):
        synthetic.write_folder(path, images[part], masks[part], classes, split)
    return path


@pytest.fixture(scope="session")
def data_dir():
    """The folder of real images, masks and weights; skips without it."""
    folder = pathlib.Path(
        os.environ.get("KERAS_SEG_DATA", ROOT.parent / "shared" / "data")
    )
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is not there (KERAS_SEG_DATA)")
    return folder


@pytest.fixture(scope="session")
def store():
    """An S3 server on this machine, with a bucket: its client of boto3."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(
        "127.0.0.1", port=0, verbose=False
    )
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        # Workers of Ray have the environment in which it was started.
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        import boto3

        client = boto3.client("s3")
        client.create_bucket(Bucket="images")
        yield client
    server.stop()


@pytest.fixture(scope="session")
def cluster(store):
    """Ray, started once, as that takes seconds."""
    pytest.importorskip("ray.data")
    from keras_seg.distributed.workers import ray_cluster

    with ray_cluster("local"):
        yield


@pytest.fixture
def parity():
    """Saves arrays and models for the comparison of the backends.

    `tests/compare_backends.py` reads them when all three have run.
    """
    folder = os.environ.get("KERAS_SEG_PARITY")

    def save(name, value):
        if folder is None:
            return
        path = pathlib.Path(folder) / keras.backend.backend()
        path.mkdir(parents=True, exist_ok=True)
        if isinstance(value, keras.Model):
            value.save(path / f"{name}.keras")
            value.save_weights(path / f"{name}.weights.h5")
            return
        np.save(path / f"{name}.npy", keras.ops.convert_to_numpy(value))

    return save


@pytest.fixture
def fork():
    """Runs a function in a process of its own; gives its number and a pipe."""
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    if keras.backend.backend() == "jax":
        pytest.skip("JAX warns of forks, which may deadlock with its threads.")
    children = []

    def run(function):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                function(lambda: os.write(writing, b"."))
            finally:
                os._exit(1)
        os.close(writing)
        children.append(child)
        return child, reading

    yield run
    for child in children:
        with contextlib.suppress(
            ChildProcessError, ProcessLookupError
        ):  # It has ended.
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
