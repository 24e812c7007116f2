"""The command line: ``python -m autograd draw "tanh(a*b + c)" a=2 b=-3 c=10``."""

from __future__ import annotations

import argparse
import codecs
import math
import os
import re
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from .errors import AutogradError, DataError, ExpressionError, RenderError
from .explain import explain
from .expression import functions, parse
from .formula import formula
from .nodes import Value
from .render import SUFFIXES, Drawing, draw
from .render.frames import Film
from .render.scene import DIRECTIONS, SHOWN, View
from .steps import steps

__all__ = ["main"]

PROGRAM = "python -m autograd"
Options = argparse.Namespace


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0, or 2 for whatever could not be done.

    >>> main(["draw", "a*b + a", "a=2", "b=-3", "--formula"])
    output = a*b + a
    d(output)/da = 1 + b
    d(output)/db = a
    0
    """
    try:
        _run(sys.argv[1:] if arguments is None else arguments)
        print(end="", flush=True)
    except BrokenPipeError:  # nobody reads on, as with "| head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 130  # as shells count an end by Ctrl-C
    except (AutogradError, OSError, MemoryError) as error:
        print(f"error: {_worded(error)}", file=sys.stderr)
        return 2
    return 0


def _run(arguments: Sequence[str]) -> None:
    parser = _parser()
    options, rest = parser.parse_known_args(_shielded(arguments))
    unknown = [word for word in rest if word.startswith("-")]
    if unknown:
        where = "" if OPTION.fullmatch(unknown[0]) else "; as an expression it comes after draw"
        parser.error(f"there is no option {unknown[0]:.60}{where}")
    if options.version:
        print(f"autograd-nn {_version()}")
    elif options.command is None:
        parser.print_help()
    else:
        _draw(options, _values(rest))


def _worded(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or "not enough memory"


# ------------------------------------------------------------------------------ what is given


class _Parser(argparse.ArgumentParser):
    """An argument parser that raises its errors."""

    def error(self, message: str) -> NoReturn:
        raise AutogradError(f"{message} (--help explains the options)")


def _parser() -> _Parser:
    parser = _Parser(prog=PROGRAM, description="Draw the computation graph of an expression.")
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    names = ", ".join(f"{name}({', '.join('xyz'[:n])})" for name, n in functions().items())
    command = commands.add_parser(
        "draw",
        help="draw an expression with its values and derivatives",
        usage=f"{PROGRAM} draw EXPRESSION [NAME=NUMBER ...] [options]",
        description="""Compute an expression, and the derivative of its result with respect to each
        node, and draw the graph: in the terminal, or as files. An expression has numbers, names,
        + - * / **, brackets, pi and functions; put it in quotes. One that begins with a minus sign
        comes directly after the word draw. Each name gets its number as in a=2.""",
        epilog=f"The functions are {names}.",
    )
    _draw_options(command)
    return parser


def _draw_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("expression", metavar="EXPRESSION", help='such as "tanh(a*b + c)"')
    add("-o", "--output", type=_picture, action="append", default=[], metavar="FILE",
        help=f"write the picture as the suffix says, one of {', '.join(SUFFIXES)}; "
             "may be given several times")  # fmt: skip
    add("--steps", type=_film, action="append", default=[], metavar="FILE",
        help="write the backward pass step by step: .html, .gif, or a folder of SVGs")  # fmt: skip
    add("--explain", metavar="NAME",
        help="print the paths along which the derivative for a name comes about; "
             "in pictures the largest is marked")  # fmt: skip
    add("--formula", action="store_true", help="print the formula, and each derivative's")
    add("--open", action="store_true", help="open what was written, or else a temporary SVG")
    add("--direction", choices=DIRECTIONS, default="LR",
        help="where the arrows point (default: LR, from left to right)")  # fmt: skip
    add("--show", type=_words, metavar="WORD[,...]",
        help=f"any of {', '.join(SHOWN)} (default: data,grad; "
             "with --explain local too)")  # fmt: skip
    add("--max-nodes", type=int, default=1000, metavar="N",
        help="a larger graph is folded to so many boxes (default: 1000)")  # fmt: skip
    add("--number", default=".4g", metavar="FORMAT",
        help="of the numbers, as for Python's format (default: .4g)")  # fmt: skip


def _picture(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in SUFFIXES:
        raise argparse.ArgumentTypeError(f"{text!r} does not end in one of {', '.join(SUFFIXES)}")
    return _creatable(path)


def _film(text: str) -> Path:
    path = Path(text)
    if not path.suffix:  # a folder, which is made if need be
        return path
    if path.suffix.lower() not in (".html", ".gif"):
        raise argparse.ArgumentTypeError(
            f"{text!r} does not end in .html or .gif, and is no folder, which has no suffix"
        )
    return _creatable(path)


def _creatable(path: Path) -> Path:
    """The path of a file; an error before anything is written if it cannot be one."""
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {path.parent}")
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{path} is a folder")
    return path


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


OPTION: Final = re.compile(r"-h|-o.*|--[a-z-]+(=.*)?|--")


def _shielded(arguments: Sequence[str]) -> list[str]:
    """Put a blank before an expression that begins with a minus sign: it is not an option."""
    match list(arguments):
        case ["draw", word, *others] if word.startswith("-") and not OPTION.fullmatch(word):
            return ["draw", f" {word}", *others]
        case given:
            return given


def _values(words: Sequence[str]) -> dict[str, float]:
    """Read values such as a=2."""
    values: dict[str, float] = {}
    for word in words:
        name, equals, text = word.partition("=")
        name = unicodedata.normalize("NFKC", name.strip())  # as in the expression
        if not equals or not name.isidentifier():
            raise DataError(
                f"a value is given as a=2, got {word!r:.60}: an expression stands first, in quotes"
            )
        if name in values:
            raise DataError(f"{name!r:.60} is given twice: give each name one number")
        values[name] = _number(name, text)
    return values


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(
            f"the value of {name!r:.60} is one finite number, such as -3 or 1e-3, got {text!r:.60}"
        )
    return number


# ------------------------------------------------------------------------------ the work


def _draw(options: Options, values: Mapping[str, float]) -> None:
    leaves, output = _computed(options.expression.strip(), values)
    look: dict[str, Any] = {
        "direction": options.direction,
        "number": options.number,
        "max_nodes": options.max_nodes,
        "show": options.show or ("data", "grad"),
    }
    if options.formula:
        _print_formulas(output, leaves)
    if options.explain is not None:
        look |= _explained(output, _named(options.explain, leaves), options.show)
    picture = draw(output, **look)
    for path in options.output:
        picture.save(path)
        print(f"written to {path}")
    for path in options.steps:
        Film(steps(output), View(**look)).save(path)
        print(f"written to {path}")
    written = options.output + options.steps
    if options.open:
        _open(written or [_temporary(picture)])
    elif not written and not options.formula and options.explain is None:
        print(picture.text, end="")


def _computed(text: str, values: Mapping[str, float]) -> tuple[dict[str, Value], Value]:
    """Return the leaf of each name, and the result, from which `backward` has been called."""
    expression = parse(text)
    nodes = {name: Value(number, label=name) for name, number in values.items()}
    output = expression(**nodes)
    if not expression.names:
        raise ExpressionError(
            f"the expression is {output.data!r} and has no name: give one to what is to vary, "
            "as in a*3 with a=2"
        )
    output.backward()
    return {name: nodes[name] for name in expression.names}, output


def _named(name: str, leaves: Mapping[str, Value]) -> Value:
    leaf = leaves.get(unicodedata.normalize("NFKC", name))
    if leaf is None:
        raise DataError(f"--explain takes one of {', '.join(leaves)}, got {name!r:.60}")
    return leaf


def _explained(output: Value, leaf: Value, show: tuple[str, ...] | None) -> dict[str, Any]:
    """Print by which paths a derivative comes about; return how a picture shows the same."""
    explanation = explain(output, leaf)
    print(explanation.text)
    path = explanation.paths[0] if explanation.paths else ()
    return {"wrt": leaf, "path": path, "show": show or ("data", "grad", "local")}


def _print_formulas(output: Value, leaves: Mapping[str, Value]) -> None:
    print(f"output = {formula(output)}")
    for name, leaf in leaves.items():
        print(f"d(output)/d{name} = {formula(output, leaf)}")


# ------------------------------------------------------------------------------ showing it


def _temporary(picture: Drawing) -> Path:
    """Write the picture to a file that outlives the command, since a viewer reads it later."""
    import tempfile

    handle, path = tempfile.mkstemp(".svg", "autograd-")
    os.close(handle)
    picture.save(path)
    return Path(path)


def _open(paths: Sequence[Path]) -> None:
    import webbrowser

    for path in paths:
        if not webbrowser.open(path.absolute().as_uri()):
            raise RenderError(f"no viewer was found here: open {path} by hand")


PLAIN: Final = str.maketrans("►◄▲▼×·÷−…\N{EN DASH}", "><^v**/-.-")
"""What stands for a sign that a terminal cannot show, as wide as that."""


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Give what is printed for what an encoding lacks, so that boxes keep their lines."""
    assert isinstance(error, UnicodeEncodeError)
    missing = error.object[error.start : error.end]
    return "".join(map(_plain_sign, missing)), error.end


def _plain_sign(char: str) -> str:
    name = unicodedata.name(char, "")
    if name.startswith("BOX DRAWINGS"):
        is_corner = " AND " in name
        return "+" if is_corner else "-" if name.endswith("HORIZONTAL") else "|"
    sign = char.translate(PLAIN)
    return sign if sign.isascii() else "?"


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("autograd-nn")
    except metadata.PackageNotFoundError:
        return "(not installed: run from its source)"


if __name__ == "__main__":
    if sys.stdout is not None:
        codecs.register_error("plain", _plain)
        sys.stdout.reconfigure(errors="plain")  # type: ignore[union-attr]
    sys.exit(main())
