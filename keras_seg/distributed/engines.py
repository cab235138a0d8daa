"""The engine for several devices of the backend."""

import contextlib
import os
from typing import Any

import keras

from keras_seg.arguments import check_positive
from keras_seg.training.engine import Engine

__all__ = ["distribute", "processes_here"]

# Seconds after which a process that says nothing has died.
SILENCE = 30


def distribute(
    devices: int | str = "all",
    *,
    split: int = 1,
    process: tuple[int, int] | None = None,
    coordinator: str | None = None,
) -> Engine:
    """Returns what trains a model on several devices, by plain `fit`.

    | backend | devices of a process | several processes |
    |---|---|---|
    | JAX | all, by `keras.distribution.DataParallel` | yes |
    | TensorFlow | all, by `tf.distribute.MirroredStrategy` | no |
    | PyTorch | one | yes, by `torch.distributed` |

    Batch norm, loss and metrics are those of the whole batch: the number of
    devices changes the numbers by no more than rounding, dropout aside.

    A machine without GPUs has as many devices as are asked for, which share
    its processors: to try a script, not to be faster. Call it before any
    other function of the backend.

    Args:
        devices: int, or `"all"`, the devices of this process. Defaults to
            `"all"`.
        split: int, how many devices hold the weights of a model together,
            where one has no room for them; they must divide the devices, and
            only the devices over it divide a batch. JAX in one process.
            Defaults to 1, every device holds all weights.
        process: tuple (number from 0, how many), where several processes
            train one model, each with the same arguments and data.
        coordinator: str, `"address:port"` of the first process.

    Returns:
        `keras_seg.training.engine.Engine`, for `keras_seg.training.train`, or
        for `fit`.

    Raises:
        ValueError: If there are not so many devices, or the backend cannot
            do it.

    Example:

    ```python
    engine = distributed.distribute(4)
    with engine.scope():
        model = applications.FCN8s("resnet50", classes=21)
        model.compile(...)
        engine.prepare(model)
    engine.fit(model, batches, epochs=20)
    ```
    """
    if devices != "all":
        check_positive(devices=devices)
    if (process is None) != (coordinator is None):
        raise ValueError(
            "`process` and `coordinator` go together. Received: "
            f"process={process}, coordinator={coordinator}"
        )
    check_positive(split=split)
    backend = keras.config.backend()
    if split > 1 and (backend != "jax" or process is not None):
        raise ValueError(
            "`split` is of JAX in one process. "
            f"Received: split={split}, on {backend}, process={process}"
        )
    if backend == "jax":
        return _jax(devices, split, process or (0, 1), coordinator)
    begin = _tensorflow if backend == "tensorflow" else _torch
    return begin(devices, process or (0, 1), coordinator)


def processes_here(devices: int | str) -> int:
    """How many processes so many devices of this machine take: see above."""
    if keras.config.backend() != "torch":
        return 1
    import torch

    count = torch.cuda.device_count()
    if devices == "all":
        return max(1, count)
    if count:
        _chosen(devices, [f"cuda:{number}" for number in range(count)])
    return int(devices)


def _jax(
    devices: Any, split: int, process: tuple[int, int], coordinator: Any
) -> Engine:
    import jax

    from keras_seg.distributed.jax_engine import JAXEngine

    if devices != "all":
        # Of no effect where there are GPUs; an error once they were counted.
        with contextlib.suppress(RuntimeError):
            jax.config.update("jax_num_cpu_devices", devices)
    number, processes = process
    if coordinator is not None:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.distributed.initialize(
            coordinator,
            processes,
            number,
            None if devices == "all" else list(range(devices)),
            heartbeat_timeout_seconds=SILENCE,
            cluster_detection_method="deactivate",
        )
    if coordinator is not None:
        try:
            here = jax.local_device_count()
        except RuntimeError as error:  # GPUs that are not there.
            raise ValueError(
                "`devices` must be at most those of JAX here. "
                f"Received: devices={devices}. JAX says: {error}"
            ) from error
        if devices not in ("all", here):
            raise ValueError(
                f"`devices` must be 'all', the {here} that JAX has here. "
                f"Received: devices={devices}"
            )
        names = keras.distribution.list_devices()
        return JAXEngine(names, number, processes)
    names = keras.distribution.list_devices()
    chosen = _chosen(devices, names)
    if len(chosen) % split:
        raise ValueError(
            "`split` must divide the devices. "
            f"Received: split={split}, {len(chosen)} devices"
        )
    return JAXEngine(chosen, 0, 1, split) if len(chosen) > 1 else Engine()


def _tensorflow(
    devices: Any, process: tuple[int, int], coordinator: Any
) -> Engine:
    import tensorflow as tf

    from keras_seg.distributed.tensorflow_engine import TensorFlowEngine

    if coordinator is not None:
        raise ValueError(
            "TensorFlow trains on the devices of one process: Keras 3 does "
            "not work with its MultiWorkerMirroredStrategy "
            "(https://github.com/keras-team/keras/issues/20585). Fix: one "
            "machine, or KERAS_BACKEND=jax or torch."
        )
    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    if kind == "CPU" and devices != "all":
        (cpu,) = tf.config.list_physical_devices("CPU")
        parts = [tf.config.LogicalDeviceConfiguration()] * devices
        with contextlib.suppress(RuntimeError):
            tf.config.set_logical_device_configuration(cpu, parts)
    names = [d.name for d in tf.config.list_logical_devices(kind)]
    chosen = _chosen(devices, names)
    return TensorFlowEngine(chosen) if len(chosen) > 1 else Engine()


def _torch(devices: Any, process: tuple[int, int], coordinator: Any) -> Engine:
    import torch

    from keras_seg.distributed.torch_engine import TorchEngine

    if coordinator is None:
        alone = devices == "all" and torch.cuda.device_count() < 2
        if devices == 1 or alone:
            return Engine()
        raise ValueError(
            "PyTorch trains on several devices by a process for each. Fix: "
            "keras-seg train --devices, which starts them, or call it in each "
            "of them with its `process`, and the `coordinator`. "
            f"Received: devices={devices!r}"
        )
    if torch.cuda.is_available():
        place = int(os.environ.get("LOCAL_RANK", process[0]))
        torch.cuda.set_device(place % torch.cuda.device_count())
    torch.distributed.init_process_group(
        "nccl" if torch.cuda.is_available() else "gloo",
        init_method=f"tcp://{coordinator}",
        rank=process[0],
        world_size=process[1],
    )
    return TorchEngine(*process)


def _chosen(devices: Any, names: list[str]) -> list[str]:
    """The first so many of the devices that there are."""
    count = len(names) if devices == "all" else devices
    if count > len(names):
        raise ValueError(
            f"`devices` must be at most {len(names)}, the devices of "
            f"{keras.config.backend()} here: {', '.join(names)}. "
            f"Received: devices={devices}"
        )
    return names[:count]
