"""Mean field: what every pixel believes, told to every other."""

from keras import ops

from keras_seg.ops.crf.kernel import kernel

__all__ = ["mean_field"]


def mean_field(logits, tables, iterations, transforms=None):
    """Refines scores by the messages of all points to all points.

        Q ← softmax(scores)        scores ← logits + Σ_m K^(m) Q A^(m)

    Without the matrices `A`, penalties are Potts': what they take from all
    classes alike is left out, as softmax does not see it. Algorithm 1 of
    [Krähenbühl and Koltun 2011](https://arxiv.org/abs/1210.5644).

    Args:
        logits: float32 tensor `(points, classes)`; gradients flow through it.
        tables: list of the running kernel's tables, the filters `K`.
        iterations: int.
        transforms: list of tensors `(classes, classes)`, one for each filter,
            gradients flow through them; or None.

    Returns:
        The scores after the last iteration, `(points, classes)`.
    """
    if not tables:
        return logits
    return kernel().compiled(_mean_field)(
        logits, tables, transforms, iterations
    )


def _mean_field(logits, tables, transforms, iterations):
    running = kernel()

    def step(scores):
        q = ops.softmax(scores, axis=-1)
        scores = logits
        for number, table in enumerate(tables):
            message = running.lattice_filter(table, q)
            if transforms is not None:
                message = ops.matmul(message, transforms[number])
            scores = scores + message
        return scores

    return running.repeat(step, logits, iterations)
