"""Fashion-MNIST, MLP 784-128-10, batch 128: time to accuracy where the arithmetic decides.

Needs the four IDX files that Debian's package `dataset-fashion-mnist` installs. The environment
variable IDX_FOLDER names another folder of such files, the original MNIST's for instance.
"""

from __future__ import annotations

import os

from benchmarks.harness import MissingError, main
from benchmarks.time_to_accuracy import Data, Task, case_of


def load() -> Data:
    from nn.data import fashion_mnist, load_idx_folder

    folder = os.environ.get("IDX_FOLDER")
    try:
        train, test = load_idx_folder(folder) if folder else fashion_mnist()
    except FileNotFoundError as error:
        raise MissingError(f"{error} as IDX_FOLDER") from None
    return Data(train.x, train.y, test.x, test.y)


CASE = case_of(
    Task(
        "Fashion-MNIST, MLP 784-128-10",
        load,
        hidden=128,
        batch_size=128,
        rates={"SGD": 0.05, "Adam": 0.001},
        target=0.86,
        epochs=8,
        seeds=3,
        unit="s",
    ),
    rounds=3,
)

if __name__ == "__main__":
    main(CASE)
