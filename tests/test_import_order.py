"""Each module imports only from the modules above it in its package, and `nn` only what
`autograd` makes public. Read from the source with `ast`, so nothing is imported to find out.
An import under `if TYPE_CHECKING:` serves annotations, never runs, and may come from anywhere."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

import autograd

ROOT = Path(__file__).parent.parent

AUTOGRAD = [
    "errors",
    "graph",
    "words",
    "notation",
    "primitive",
    *("ops.arithmetic", "ops.comparison", "ops.elementary", "ops.indexing"),
    *("ops.shape", "ops.reduction", "ops.linalg", "ops.decomposition", "ops.selection"),
    *("ops.statistics", "ops.signal", "ops"),
    "backprop",
    "structure",
    "standins",
    "protocol",
    "nodes",
    "custom",
    "forward",
    "functional",
    *("numpy.constructors", "numpy.fft", "numpy.linalg", "numpy.random", "numpy"),
    "check",
    *("replay.rules", "replay.listing", "replay.program", "replay.runner", "replay.compiled"),
    *("replay.surroundings", "replay.recording", "replay"),
    *("naming", "formula", "explain", "steps", "nonfinite"),
    *("render.font", "render.bidi", "render.pdf", "render.svg", "render.image", "render.saving"),
    *("render.numbers", "render.folding", "render.scene", "render.palette", "render.placement"),
    *("render.dot", "render.mermaid", "render.plan", "render.layers", "render.text"),
    *("render.batches", "render.stage", "render.frames"),
    "render",
    "explorer",
    "expression",
    "__main__",
]

NN = [
    "module",
    "layers",
    "losses",
    "optim",
    "schedules",
    *("data.checks", "data.files", "data.dataset", "data.generators", "data.shipped"),
    *("data.sampling", "data.tables", "data.preparation", "data.idx", "data"),
    "metrics",
    "checkpoint",
    "history",
    "steps",
    "training",
    "rates",
    *("plots.figure", "plots.training", "plots.confusion", "plots.boundary", "plots.recording"),
    *("plots.images", "plots.layers", "plots"),
    *("lab.surface", "lab.comparison", "lab.plane", "lab.terrain", "lab.pictures", "lab"),
    *("tasks", "sources", "settings", "folders", "runs", "sweep", "options"),
    "__main__",
]


class Import(NamedTuple):
    """One imported name: `from module import name`, or `import module` with no name."""

    line: int
    module: str
    name: str | None
    in_function: bool


def imports(source: str, package: str) -> Iterator[Import]:
    """Every import that `source`, a module of `package`, can run; relative ones made absolute."""
    pending: list[tuple[ast.AST, bool]] = [(ast.parse(source), False)]
    while pending:
        node, in_function = pending.pop()
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name, None, in_function)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: 1 - node.level or None] if node.level else []
            module = ".".join([*parents, *filter(None, [node.module])])
            for alias in node.names:
                yield Import(node.lineno, module, alias.name, in_function)
        in_function |= isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        types_only = isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        children = node.orelse if types_only else ast.iter_child_nodes(node)
        pending += [(child, in_function) for child in children]


def order_violations(package: str, order: Sequence[str], sources: Mapping[str, str]) -> list[str]:
    """What breaks the rules in `package`, whose modules are `sources`: name below it -> text.

    `order` lists the modules, first those that may import least; the package itself, named "",
    comes last. A subpackage is named by its folder, and stands for its `__init__.py`.
    """
    rank = {name: place for place, name in enumerate([*order, ""])}
    found = [f"{package}.{name}: not in the order; add it" for name in sources if name not in rank]
    for name in sorted(sources.keys() & rank.keys()):
        is_folder = name == "" or any(other.startswith(f"{name}.") for other in sources)
        parent = name if is_folder else name.rpartition(".")[0]
        for item in imports(sources[name], f"{package}.{parent}".rstrip(".")):
            top, _, below = item.module.partition(".")
            inner = f"{below}.{item.name}".lstrip(".")
            target = inner if inner in sources else below
            if top not in ("autograd", "nn"):
                continue
            if item.in_function:
                complaint = "inside a function"
            elif package == "autograd" and top == "nn":
                complaint = "autograd stands alone"
            elif top == package and rank.get(target, len(rank)) >= rank[name]:
                complaint = "not above it"
            else:
                continue
            importer, imported = (
                f"{p}.{n}".rstrip(".") for p, n in [(package, name), (top, target)]
            )
            found.append(f"{importer}, line {item.line}, imports {imported}: {complaint}")
    return list(dict.fromkeys(found))


def surface_violations(sources: Mapping[str, str], public: Sequence[str]) -> list[str]:
    """Imports in `sources` that take from `autograd` anything but its public names."""
    return [
        f"nn.{name}, line {item.line}: imports {item.name or 'all'} of {item.module}, not public"
        for name, source in sources.items()
        for item in imports(source, "nn")
        if item.module.partition(".")[0] == "autograd"
        and not (item.module == "autograd" and item.name in public)
    ]


def read_package(package: str) -> dict[str, str]:
    """The sources of a package of this project by dotted name below it; "" is the package."""
    folder = ROOT / package
    return {
        ".".join(path.relative_to(folder).with_suffix("").parts)
        .removesuffix("__init__")
        .rstrip("."): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*.py"))
    }


@pytest.mark.parametrize(("package", "order"), [("autograd", AUTOGRAD), ("nn", NN)])
def test_modules_import_only_from_above(package: str, order: list[str]) -> None:
    assert order_violations(package, order, read_package(package)) == []


@pytest.mark.parametrize(("package", "order"), [("autograd", AUTOGRAD), ("nn", NN)])
def test_order_names_only_modules_that_exist(package: str, order: list[str]) -> None:
    assert set(order) - read_package(package).keys() == set()


def test_nn_takes_only_public_names_of_autograd() -> None:
    assert surface_violations(read_package("nn"), autograd.__all__) == []


def test_optional_packages_are_imported_only_where_they_are_used() -> None:
    program = "import sys, autograd, nn; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True)
    optional = {"graphviz", "resvg_py", "matplotlib", "tqdm", "safetensors", "anywidget", "PIL"}
    assert optional & set(run.stdout.decode().split()) == set()


ORDER = ["errors", "graph", "ops.shape", "ops"]


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        (
            "errors",
            "from autograd.graph import Node",
            "errors, line 1, imports autograd.graph: not",
        ),
        ("errors", "from .graph import Node", "imports autograd.graph: not above it"),
        ("errors", "from . import graph", "imports autograd.graph: not above it"),
        ("errors", "from autograd import graph", "imports autograd.graph: not above it"),
        ("errors", "import autograd.graph", "imports autograd.graph: not above it"),
        ("errors", "import autograd", "imports autograd: not above it"),
        ("errors", "if True:\n    from .graph import Node", "errors, line 2"),
        ("errors", "if TYPE_CHECKING:\n    pass\nelse:\n    from . import graph", "line 4"),
        ("graph", "from autograd.graph import Node", "imports autograd.graph: not above it"),
        ("ops.shape", "from . import reshape", "imports autograd.ops: not above it"),
        ("ops.shape", "from ..ops import reshape", "imports autograd.ops: not above it"),
        ("graph", "def f():\n    from .errors import E", "imports autograd.errors: inside"),
        ("graph", "class C:\n    def f(self):\n        import nn", "imports nn: inside a function"),
        ("graph", "import nn", "imports nn: autograd stands alone"),
        ("graph", "from autograd.missing import x", "imports autograd.missing: not above it"),
        ("extra", "", "autograd.extra: not in the order"),
    ],
)
def test_a_planted_violation_is_found(module: str, source: str, complaint: str) -> None:
    sources = {"": "", **dict.fromkeys(ORDER, ""), module: source}
    (found,) = order_violations("autograd", ORDER, sources)
    assert complaint in found


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("graph", "from autograd.errors import E"),
        ("graph", "from . import errors"),
        ("ops.shape", "from ..graph import Node\nfrom autograd import errors"),
        ("ops", "from .shape import reshape\nfrom . import shape"),
        ("", "from .ops import reshape\nfrom autograd.errors import E"),
        ("graph", "def f():\n    import graphviz, json"),
        ("graph", "if TYPE_CHECKING:\n    from .ops import reshape"),
        ("graph", "import autograd_other"),
    ],
)
def test_what_is_allowed_is_not_reported(module: str, source: str) -> None:
    sources = {"": "", **dict.fromkeys(ORDER, ""), module: source}
    assert order_violations("autograd", ORDER, sources) == []


@pytest.mark.parametrize(
    ("source", "violations"),
    [
        ("from autograd import Tensor, no_grad", 0),
        ("from autograd import Tensor, graph", 1),
        ("from autograd import *", 1),
        ("from autograd.nodes import Tensor", 1),
        ("import autograd", 1),
        ("def f():\n    import autograd.nodes", 1),
        ("from .module import Module\nimport numpy", 0),
    ],
)
def test_a_planted_private_import_is_found(source: str, violations: int) -> None:
    found = surface_violations({"layers": source}, ["Tensor", "no_grad"])
    assert len(found) == violations
