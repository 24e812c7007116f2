"""Digits, MLP 64-64-10, batch 32: time to accuracy where the cost of a call decides."""

from __future__ import annotations

import numpy as np

from benchmarks.harness import main
from benchmarks.time_to_accuracy import Data, Task, case_of


def load() -> Data:
    from nn.data import load, train_test_split

    x, x_test, y, y_test = train_test_split(*load("digits"), test=0.2, seed=0)
    return Data(x.astype(np.float32), y, x_test.astype(np.float32), y_test)


CASE = case_of(
    Task(
        "digits, MLP 64-64-10",
        load,
        hidden=64,
        batch_size=32,
        rates={"SGD": 0.02, "Adam": 0.001},
        target=0.96,
        epochs=35,
        seeds=30,
        unit="ms",
    ),
    rounds=3,
)

if __name__ == "__main__":
    main(CASE)
