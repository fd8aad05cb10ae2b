"""Writes the SavedModel that the tests read: tests/data/saved_model. Needs TensorFlow, which nothing else here does.

    python -m venv /some/where && /some/where/bin/pip install tensorflow-cpu
    /some/where/bin/python tools/make_saved_model.py tests/data/saved_model

The model has two inputs, two outputs and variables, so that names and weights are read from where TensorFlow keeps
them: `scores` = softmax(`values` · kernel + bias), `total` = sum(`values`) · `scale`. Beside it goes `expected.npz`
with what TensorFlow itself answers.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf


class Scorer(tf.Module):
    """A layer and a sum."""

    def __init__(self) -> None:
        super().__init__()
        random = np.random.default_rng(11)
        self.kernel = tf.Variable(random.standard_normal((4, 3)).astype(np.float32), name="kernel")
        self.bias = tf.Variable(random.standard_normal(3).astype(np.float32), name="bias")

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 4], tf.float32, name="values"),
            tf.TensorSpec([None, 1], tf.float32, name="scale"),
        ]
    )
    def score(self, values: tf.Tensor, scale: tf.Tensor) -> dict[str, tf.Tensor]:
        """One row for each row of `values` [rows, 4] and `scale` [rows, 1]."""
        scores = tf.nn.softmax(tf.matmul(values, self.kernel) + self.bias)
        return {"scores": scores, "total": tf.reduce_sum(values, axis=1, keepdims=True) * scale}


def main(folder: Path) -> None:
    """Write the model and what it answers."""
    shutil.rmtree(folder, ignore_errors=True)
    model = Scorer()
    tf.saved_model.save(model, str(folder / "scorer"), signatures={"serving_default": model.score})
    (folder / "scorer" / "fingerprint.pb").unlink(missing_ok=True)
    random = np.random.default_rng(12)
    values = random.standard_normal((5, 4)).astype(np.float32)
    scale = random.standard_normal((5, 1)).astype(np.float32)
    answer = model.score(tf.constant(values), tf.constant(scale))
    np.savez(
        folder / "expected.npz", values=values, scale=scale, **{name: each.numpy() for name, each in answer.items()}
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
