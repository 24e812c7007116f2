"""A model's numbers in a file: safetensors, which holds arrays and text and runs no code."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np

from autograd import DataError
from nn.module import Module, require_kind

__all__ = ["load_weights", "save_weights"]


def save_weights(
    model: Module, path: str | PathLike[str], metadata: dict[str, str] | None = None
) -> None:
    """Write a model's `state_dict` to a ``.safetensors`` file.

    Names and shapes are PyTorch's, so PyTorch can read the weights of a Tensor net.

    Parameters
    ----------
    model : Module
    path : path
        An existing file is replaced.
    metadata : dict of str to str, optional
        Kept in the file's header.

    Raises
    ------
    OSError
        If the file cannot be written.
    DataError
        If `model` is no Module, or `metadata` holds anything but text.

    Examples
    --------
    >>> import tempfile
    >>> from nn import Linear
    >>> first, second = Linear(2, 1, rng=0), Linear(2, 1, rng=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_weights(first, f"{folder}/model.safetensors")
    ...     load_weights(second, f"{folder}/model.safetensors")
    >>> bool((first.weight.numpy() == second.weight.numpy()).all())
    True
    """
    from safetensors.numpy import save

    require_kind("model", model, Module)
    if metadata is not None and not (
        isinstance(metadata, dict)
        and all(isinstance(text, str) for item in metadata.items() for text in item)
    ):
        raise DataError(f"metadata maps text to text, got {metadata!r}")
    # safetensors writes the memory of an array as it lies, whatever its strides.
    arrays = {name: np.ascontiguousarray(array) for name, array in model.state_dict().items()}
    Path(path).write_bytes(save(arrays, metadata))


def load_weights(model: Module, path: str | PathLike[str]) -> None:
    """Read a ``.safetensors`` file into a model of the same names and shapes.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not a safetensors file; see `Module.load_state_dict` for one that does not fit.

    Examples
    --------
    See `save_weights`.

    >>> from nn import Linear
    >>> load_weights(Linear(2, 1), "missing.safetensors")
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: 'missing.safetensors'
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    require_kind("model", model, Module)
    try:
        arrays = load(Path(path).read_bytes())
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from None
    model.load_state_dict(arrays)
