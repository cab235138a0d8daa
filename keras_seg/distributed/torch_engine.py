"""Several devices on PyTorch, one in each process.

Keras has no data parallelism of its own there, and calls a model in a way that
`DistributedDataParallel` does not see. Hooks of the gradients do what that
does: `torch.distributed` averages each of them over the processes.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import torch
import torch.distributed as group

from keras_seg.distributed.processes import lost_others
from keras_seg.distributed.whole_batch import compute_loss_of_whole
from keras_seg.distributed.whole_batch import draw_apart
from keras_seg.distributed.whole_batch import synchronize_batch_norm
from keras_seg.keras_private import weigh_loss
from keras_seg.training.engine import Engine

__all__ = ["TorchEngine"]


class TorchEngine(Engine):
    """Trains one copy of the model in each process of a group."""

    def __init__(self, process: int, processes: int):
        super().__init__(processes, process, processes)

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        with lost_others():
            yield

    def prepare(self, model: keras.Model) -> None:
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        with torch.no_grad():
            for variable in (*model.variables, *model.optimizer.variables):
                group.broadcast(variable.value.data, 0)
        for variable in model.trainable_variables:
            variable.value.register_post_accumulate_grad_hook(self._average)
        synchronize_batch_norm(model, _moments)
        draw_apart(model, lambda: 0 if self.part.whole else self.process)
        compute_loss_of_whole(model, self._gather, metrics=True)
        # A process counts its own images of a batch.
        weigh_loss(model, lambda: 1 if self.part.whole else self.processes)

    def _digests(self, own: bytes) -> list[bytes]:
        found: list = [None] * self.processes
        group.all_gather_object(found, own)
        return found

    def leave(self) -> None:
        group.destroy_process_group()

    def _average(self, parameter: Any) -> None:
        group.all_reduce(parameter.grad)
        parameter.grad /= self.processes

    def _gather(self, x: Any) -> Any:
        if self.part.whole:
            return x
        parts = [torch.empty_like(x) for _ in range(self.processes)]
        group.all_gather(parts, x.detach().contiguous())
        if x.requires_grad:
            x.register_hook(lambda gradient: gradient * self.processes)
        parts[self.process] = x
        return torch.cat(parts)


class _Sum(torch.autograd.Function):
    """The sum over the processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(context: Any, x: Any) -> Any:
        x = x.clone(memory_format=torch.contiguous_format)
        group.all_reduce(x)
        return x

    @staticmethod
    def backward(context: Any, gradient: Any) -> Any:
        return _Sum.forward(context, gradient)


def _moments(x: Any, axes: Any) -> tuple[Any, Any]:
    """Mean and variance over parts of equal size."""
    number = group.get_world_size()
    mean = _Sum.apply(x.mean(axes, keepdim=True)) / number
    variance = _Sum.apply((x - mean).square().mean(axes)) / number
    return mean.reshape(-1), variance
