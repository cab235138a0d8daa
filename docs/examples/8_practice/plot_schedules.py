"""
Learning rates that fall
========================

The rules of the papers: "poly" of DeepLab v2 and v3, a step of DeepLab v1, and
Keras's cosine beside them.
"""

import keras
import matplotlib.pyplot as plt
from keras import ops

from keras_seg import schedules

steps = 6000
rules = {
    "Poly, power 0.9": schedules.Poly(1e-3, steps),
    "Poly, power 2": schedules.Poly(1e-3, steps, power=2),
    "Step, 2000 each": schedules.Step(1e-3, 2000),
    "keras CosineDecay": keras.optimizers.schedules.CosineDecay(1e-3, steps),
}
plt.figure(figsize=(7, 3.4), layout="constrained")
at = range(0, steps + 1, 50)
for name, rule in rules.items():
    plt.plot(at, [float(ops.convert_to_numpy(rule(t))) for t in at], label=name)
plt.xlabel("update")
plt.ylabel("learning rate")
plt.legend()
