"""Many runs that differ in learning rate and width, in several processes."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autograd import NonFiniteError
from nn.checkpoint import read_state, write_state
from nn.folders import forget, write_table
from nn.history import History
from nn.plots import save
from nn.plots.figure import COLORS, figure_of, legend_above, new_axes
from nn.runs import Run
from nn.settings import Settings
from nn.sources import Problem
from nn.tasks import Task, text_table

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

__all__ = [
    "BEST",
    "PICTURE",
    "TABLE",
    "Trial",
    "grid",
    "plot_trials",
    "random_settings",
    "sweep",
]

Say = Callable[[str], None]
Widths = tuple[int, ...]

TABLE, PICTURE, BEST = "sweep.csv", "sweep.png", "best"

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
"""What tells the libraries under NumPy how many threads to use; they read it when imported."""


def grid(base: Settings, rates: Sequence[float], widths: Sequence[Widths]) -> list[Settings]:
    """Return the settings with every learning rate and every widths of hidden layers.

    >>> from nn.sources import Shipped
    >>> every = grid(Settings(Shipped("moons")), [0.1, 1.0], [(8,), (8, 8)])
    >>> [(settings.lr, settings.hidden) for settings in every]
    [(0.1, (8,)), (0.1, (8, 8)), (1.0, (8,)), (1.0, (8, 8))]
    """
    pairs = product(sorted(set(rates)), dict.fromkeys(widths))
    return [replace(base, lr=lr, hidden=hidden) for lr, hidden in pairs]


def random_settings(
    base: Settings, rates: Sequence[float], widths: Sequence[Widths], count: int
) -> list[Settings]:
    """Return settings with random learning rates and widths, drawn from the seed of `base`.

    Both are between the least and the greatest given, widths layer by layer, and their
    logarithms are uniform: Bergstra & Bengio, "Random search for hyper-parameter optimization",
    JMLR 13, 2012.

    Raises
    ------
    ValueError
        If the widths differ in the number of layers.

    Examples
    --------
    >>> from nn.sources import Shipped
    >>> drawn = random_settings(Settings(Shipped("moons")), [0.01, 1.0], [(8,), (64,)], 3)
    >>> all(0.01 <= settings.lr <= 1 and 8 <= settings.hidden[0] <= 64 for settings in drawn)
    True
    """
    if len(set(map(len, widths))) != 1:
        raise ValueError("random widths are between those of --hidden, so of equally many layers")
    rng = np.random.default_rng(base.seed)

    def between(numbers: Sequence[float]) -> float:
        return float(np.exp(rng.uniform(math.log(min(numbers)), math.log(max(numbers)))))

    return [
        replace(
            base,
            lr=float(f"{between(rates):.3g}"),
            hidden=tuple(round(between(layer)) for layer in zip(*widths, strict=True)),
        )
        for _ in range(count)
    ]


@dataclass(frozen=True, eq=False)
class Trial:
    """What came of one of the runs.

    Parameters
    ----------
    settings : Settings
    history : History
    train, validation : dict of str to float
        How good the net is, as its task measures it; empty if the run failed.
    weights : dict of str to ndarray
        The `state_dict` of the net.

    Examples
    --------
    >>> from nn.sources import Shipped
    >>> settings = Settings(Shipped("moons"), hidden=[32, 64])
    >>> Trial(settings, History(), {}, {}, {}).hidden
    '32/64'
    """

    settings: Settings
    history: History
    train: dict[str, float]
    validation: dict[str, float]
    weights: dict[str, NDArray[Any]]

    @property
    def hidden(self) -> str:
        """The widths as the command line takes them."""
        return "/".join(map(str, self.settings.hidden))


def _run_trials(problem: Problem, every: Sequence[Settings], jobs: int) -> Iterator[Trial]:
    """Train a net for each of the settings, and yield what comes of it, in any order."""
    try:
        with _workers(problem, min(jobs, len(every))) as pool:
            with _interrupts_held():
                futures = {pool.submit(_try, settings) for settings in every}
            while futures:
                over, futures = wait(futures, return_when=FIRST_COMPLETED)
                for future in over:
                    yield future.result()
    except BrokenProcessPool:
        raise ChildProcessError(
            "a process of the sweep was killed, perhaps for want of memory: fewer --jobs need less"
        ) from None


@contextmanager
def _workers(problem: Problem, jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that end with this one, whatever ends it, and at once if an exception does."""
    context = multiprocessing.get_context("spawn")  # NumPy reads THREADS when it is imported
    lifeline, here = context.Pipe(duplex=False)
    one_thread = _environment(dict.fromkeys(THREADS, "1"))
    with one_thread, lifeline, here, TemporaryDirectory() as folder:
        # In a file: as an argument, it would hang up the start of a process that is killed in it.
        file = Path(folder, "problem.safetensors")
        write_state(file, problem.state_dict())
        pool = ProcessPoolExecutor(jobs, context, _begin, (file, lifeline))
        try:
            yield pool
        except BaseException:
            here.close()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, text in before.items():
            if text is None:
                del os.environ[name]
            else:
                os.environ[name] = text


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back meanwhile; processes that are started by then never get it."""
    held: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: held.append(number))
    try:
        with _interrupts_blocked():
            yield
    finally:
        signal.signal(signal.SIGINT, before)
    if held:
        raise KeyboardInterrupt


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block Ctrl-C in this thread, and so in processes that it starts, where there is a way."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # when started, it unblocks
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# In a worker: what all its runs learn.
_problem: Problem


def _begin(file: Path, lifeline: Connection) -> None:
    global _problem
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
    _problem = Problem.from_state_dict(read_state(file))


def _end_with(lifeline: Connection) -> None:
    """End this process when the other end of the pipe is closed, as it is when its owner dies."""
    try:
        lifeline.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)


def _try(settings: Settings) -> Trial:
    """Train a net; that it diverges is a result as well."""
    try:
        run = Run(settings, _problem)
        history = run.fit(progress=False)
        measured = {name: run.measure(part) for name, part in _problem.parts().items()}
    except (NonFiniteError, MemoryError) as error:
        why = str(error).partition(":")[0] or "not enough memory"
        return Trial(settings, History(stopped=f"failed: {why}"), {}, {}, {})
    weights = run.model.state_dict()
    return Trial(settings, history, measured["train"], measured["validate"], weights)


def sweep(problem: Problem, every: Sequence[Settings], folder: Path, jobs: int, say: Say) -> None:
    """Train a net for each of the settings, and test the one that is best on the validation rows.

    The folder gets ``sweep.csv``, ``sweep.png`` and, as the run folder of the best net, ``best``.
    If the sweep is cut short, by Ctrl-C or an error, they are of the runs that are over.

    Parameters
    ----------
    problem : Problem
        With validation rows.
    every : sequence of Settings
    folder : Path
        With a folder ``best`` in it.
    jobs : int
        How many processes, of one thread each. The results do not depend on it.
    say : callable
        Takes each line of the report.

    Raises
    ------
    NonFiniteError
        If every run fails.
    ChildProcessError
        If a process ends before its time.
    OSError
        If a file cannot be written.

    Examples
    --------
    >>> from nn.sources import Shipped
    >>> base = Settings(Shipped("iris"), validation=0.2, epochs=1)
    >>> with TemporaryDirectory() as folder:
    ...     Path(folder, BEST).mkdir()
    ...     sweep(base.problem(), grid(base, [0.1], [(4,)]), Path(folder), jobs=1, say=str)
    ...     sorted(path.name for path in Path(folder).iterdir())
    ['best', 'sweep.csv', 'sweep.png']
    """
    trials: list[Trial] = []
    try:
        for trial in _with_bar(_run_trials(problem, every, jobs), len(every)):
            best, *others = in_order([*trials, trial], problem.task)
            trials = [best, *(replace(other, weights={}) for other in others)]
    finally:
        if len(trials) < len(every):
            say(f"{len(trials)} of {len(every)} runs are over")
        if trials:
            _conclude(trials, problem, folder, say)


def _conclude(trials: list[Trial], problem: Problem, folder: Path, say: Say) -> None:
    """Write and say what came of trials, the best of which is the first."""
    best, task = trials[0], problem.task
    say(in_text(trials, task))
    with (folder / TABLE).open("w", newline="", encoding="utf-8") as file:
        write_table(columns_of(trials), file)
    save(plot_trials(trials, task), folder / PICTURE)
    say(f"written to {folder}")
    if not best.validation:
        raise NonFiniteError(f"all {len(trials)} runs failed: lower learning rates may help")
    say(f"the best: lr {best.settings.lr:g}, hidden {best.hidden}")
    run = Run(best.settings, problem)
    run.model.load_state_dict(best.weights)
    forget(folder / BEST)
    run.begin(folder / BEST)
    run.write(best.history, folder / BEST, say)


def _with_bar(trials: Iterator[Trial], count: int) -> Iterator[Trial]:
    """Yield the trials, and show in a terminal how many are over."""
    from tqdm.auto import tqdm

    yield from tqdm(trials, total=count, desc="sweep", unit="run", disable=None)


def in_order(trials: Iterable[Trial], task: Task) -> list[Trial]:
    """Return the trials, the best on the validation rows first, those that failed last."""

    def rank(trial: Trial) -> tuple[Any, ...]:
        settings, measured = trial.settings, trial.validation
        return (not measured, measured and task.rank(measured), settings.lr, settings.hidden)

    return sorted(trials, key=rank)


def columns_of(trials: Sequence[Trial]) -> dict[str, list[Any]]:
    """Return a table of trials, by column; a run that failed has numbers that are None."""
    columns: dict[str, list[Any]] = {
        "lr": [trial.settings.lr for trial in trials],
        "hidden": [trial.hidden for trial in trials],
        "epochs": [len(trial.history) for trial in trials],
    }
    for part in ("train", "validation"):
        measured = [getattr(trial, part) for trial in trials]
        for name in dict.fromkeys(name for numbers in measured for name in numbers):
            columns[f"{part} {name}"] = [numbers.get(name) for numbers in measured]
    return columns | {"ended": [trial.history.stopped for trial in trials]}


def in_text(trials: Sequence[Trial], task: Task) -> str:
    """Return the table of trials as text; of how they ended, only what failed."""

    def cell(name: str, value: Any) -> str:
        if name == "ended":
            return value if value.startswith("failed") else ""
        if isinstance(value, float):
            return task.show(name.rpartition(" ")[2], value)
        return "" if value is None else str(value)

    columns = columns_of(trials)
    columns["lr"] = [f"{lr:g}" for lr in columns["lr"]]
    chosen = dict.fromkeys(["train loss", "validation loss", f"validation {task.goal}"])
    names = ["lr", "hidden", "epochs", *(name for name in chosen if name in columns), "ended"]
    rows = zip(*(columns[name] for name in names), strict=True)
    table = [list(map(cell, names, row)) for row in rows]
    return text_table([*names[:-1], ""], table)


def plot_trials(trials: Sequence[Trial], task: Task) -> Axes:
    """Draw how good each net is on the validation rows over its learning rate, a line a width.

    Of more widths than there are colours, the colour is the number of hidden units. Runs that
    failed are crosses on the axis.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from nn.sources import Shipped
    >>> settings = Settings(Shipped("moons"))
    >>> trial = Trial(settings, History(), {}, {"loss": 0.3, "accuracy": 0.9}, {})
    >>> ax = plot_trials([trial], settings.problem().task)
    >>> ax.get_xscale(), ax.get_ylabel()
    ('log', 'validation accuracy')
    """
    ax = new_axes(None, 6.4, 4.0)
    fine = [trial for trial in trials if trial.validation]
    failed = [trial.settings.lr for trial in trials if not trial.validation]
    handles = _draw_widths(ax, fine, task.goal)
    if failed:
        on_axis: dict[str, Any] = {"transform": ax.get_xaxis_transform(), "clip_on": False}
        handles += ax.plot(failed, [0.0] * len(failed), "kx", label="failed", **on_axis)
    if handles:
        legend_above(ax, handles, columns=4)
    ax.set(xscale="log", xlabel="learning rate", ylabel=f"validation {task.goal}")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.grid(alpha=0.3)
    return ax


def _draw_widths(ax: Axes, trials: Sequence[Trial], goal: str) -> list[Artist]:
    """Draw a line for each of a few widths; of many, points whose colour is their sum."""
    points: dict[tuple[int, ...], list[tuple[float, float]]] = {}
    for trial in sorted(trials, key=lambda trial: trial.settings.lr):
        point = trial.settings.lr, trial.validation[goal]
        points.setdefault(tuple(trial.settings.hidden), []).append(point)
    if len(points) <= len(COLORS):
        lines: list[Artist] = []
        for color, hidden in zip(COLORS, sorted(points), strict=False):
            label = f"hidden {'/'.join(map(str, hidden))}"
            lines += ax.plot(*zip(*points[hidden], strict=True), "o-", color=color, label=label)
        return lines
    rows = [(*point, sum(hidden)) for hidden in points for point in points[hidden]]
    x, y, units = zip(*rows, strict=True)
    dots = ax.scatter(x, y, 30, units, norm="log", cmap="viridis_r")
    bar = figure_of(ax).colorbar(dots, ax=ax, label="hidden units")
    bar.ax.yaxis.set_major_formatter("{x:g}")
    bar.ax.yaxis.set_minor_formatter("{x:g}")
    return []
