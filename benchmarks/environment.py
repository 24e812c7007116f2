"""Virtual environments for contenders that cannot share ours; each is made once, and kept."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks.harness import MissingError

HERE = Path(__file__).parent
CACHE = HERE / ".venvs"


def interpreter(name: str) -> Path:
    """The Python with what `requirements-NAME.txt` names, and with the NumPy that runs here."""
    folder = CACHE / name
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    numpy = f"numpy=={version('numpy')}"
    recipe = f"{sys.version}\n{numpy}\n{requirements(name).read_text()}"
    made = folder / "made-from.txt"
    if not made.is_file() or made.read_text() != recipe:
        print(f"{name}: making a virtual environment in {folder}", file=sys.stderr)
        run(name, [sys.executable, "-m", "venv", "--clear", str(folder)])
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run(name, [*pip, "-r", str(requirements(name)), numpy])
        made.write_text(recipe)
    return python


def requirements(name: str) -> Path:
    return HERE / f"requirements-{name}.txt"


def run(name: str, command: list[str]) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    try:
        subprocess.run(command, env=environment, check=True, stdout=sys.stderr)
    except (OSError, subprocess.CalledProcessError) as error:
        raise MissingError(f"no environment for {name}: {error}") from None
