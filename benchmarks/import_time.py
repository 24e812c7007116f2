"""What `import autograd` costs beyond `import numpy`."""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.harness import Case, Figures, Row, main

# In an interpreter that has imported nothing else, so that no module is there for free.
TIMED = """
import time
import numpy
start = time.perf_counter()
import autograd
print(time.perf_counter() - start)
"""


def measure(contender: str) -> Figures:
    command = [sys.executable, "-c", TIMED]
    # With bytecode, as an installed package has it; the first run may write it.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    for _ in range(2):
        output = subprocess.run(
            command, env=environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout
    return {"import": float(output)}


CASE = Case(
    rows=(Row("import autograd, beyond import numpy", "import", "ms", "autograd", None, 30.0),),
    measure=measure,
    rounds=9,
)

if __name__ == "__main__":
    main(CASE)
