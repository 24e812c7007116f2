"""A picture that Graphviz wrote as SVG, as a PDF of one page: vectors, and text that is text.

Such an SVG holds few things: polygons, lines, curves and text, in one coordinate system. The
operators are those of PDF 1.7, ISO 32000-1, sections 8.4 to 9.4; the font is embedded, cut to the
glyphs in use (sections 9.7 and 9.9). No date and no name is written: the same SVG gives the same
bytes.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from ..errors import RenderError
from . import font
from .bidi import visual_order

if TYPE_CHECKING:
    import xml.etree.ElementTree as ET

__all__ = ["pdf"]

LARGEST: Final = 14_400
"""The longest side of a page in its own units; a larger page has larger units."""

COLORS: Final = {"black": "#000000", "white": "#ffffff"}
"""Colours that Graphviz names, among those that it is not told."""

NUMBER: Final = r"-?\d*\.?\d+(?:e-?\d+)?"


def pdf(svg: str) -> bytes:
    """Turn an SVG that Graphviz wrote into a PDF.

    `RenderError` if the picture was changed to have what this cannot draw, such as an image.
    """
    import xml.etree.ElementTree as ET

    root = ET.fromstring(svg)
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    unit = max(1.0, width / LARGEST, height / LARGEST)
    used: dict[int, str] = {}
    operators = [f"{1 / unit:.6f} 0 0 {-1 / unit:.6f} 0 {height / unit:.2f} cm"]
    for element in root.iter():
        operators += _operators(element, used)
    page = f"/MediaBox [0 0 {width / unit:.2f} {height / unit:.2f}] /UserUnit {unit:.4f}"
    return _file(
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R {page} /Contents 4 0 R "
        "/Resources << /Font << /F 5 0 R >> >> >>",
        _stream("\n".join(operators).encode()),
        *_font(used),
    )


def _operators(element: ET.Element, used: dict[int, str]) -> Iterator[str]:
    """What draws one element; the glyphs of a text are noted in `used`."""
    kind = element.tag.rpartition("}")[2]
    get = element.attrib.get
    if kind == "g":
        yield from _transforms(get("transform", ""))
    elif kind == "text":
        yield from _text(element, used)
    elif kind in ("polygon", "polyline", "path"):
        fill, stroke = _color(get("fill", "black")), _color(get("stroke", "none"))
        paint = {(True, True): "B", (True, False): "f", (False, True): "S", (False, False): "n"}
        dashes = get("stroke-dasharray", "").replace(",", " ")
        yield f"{get('stroke-width', '1')} w [{dashes}] 0 d"
        yield f"{fill} rg" if fill else ""
        yield f"{stroke} RG" if stroke else ""
        yield from _outline(kind, get("points", "") + get("d", ""))
        yield paint[bool(fill), bool(stroke)]
    elif kind not in ("svg", "title", "a"):
        raise RenderError(f"a PDF cannot show <{kind}>, which this picture holds: save it as .svg")


def _transforms(text: str) -> Iterator[str]:
    """A list such as scale(1 1) rotate(0) translate(4 52), as changes of the matrix."""
    for name, values in re.findall(r"(\w+)\(([^)]*)\)", text):
        x, *rest = map(float, re.findall(NUMBER, values))
        y = rest[0] if rest else x
        if name == "rotate":
            cos, sin = math.cos(math.radians(x)), math.sin(math.radians(x))
            yield f"{cos:.6f} {sin:.6f} {-sin:.6f} {cos:.6f} 0 0 cm"
        else:
            yield f"{x:g} 0 0 {y:g} 0 0 cm" if name == "scale" else f"1 0 0 1 {x:.2f} {y:.2f} cm"


def _outline(kind: str, points: str) -> Iterator[str]:
    """The points of a polygon, or the commands M, L, C and Z of a path, as a path of PDF."""
    if kind == "path":
        pieces = re.findall(r"([A-Za-z])([^A-Za-z]*)", points)
    else:
        first, _, others = points.strip().partition(" ")
        pieces = [("M", first), ("L", others), *([("Z", "")] if kind == "polygon" else [])]
    for command, text in pieces:
        numbers = re.findall(NUMBER, text)
        if command not in "MLCZ":
            raise RenderError(f"a PDF cannot show the path command {command}: save it as .svg")
        step = {"M": 2, "L": 2, "C": 6}.get(command, 0)
        for i in range(0, len(numbers), step) if step else ():
            yield f"{' '.join(numbers[i : i + step])} {command.lower()}"
        if command == "Z":
            yield "h"


def _text(element: ET.Element, used: dict[int, str]) -> Iterator[str]:
    text = visual_order(element.text or "")
    size = float(element.attrib.get("font-size", 14))
    shift = {"middle": 0.5, "end": 1.0}.get(element.attrib.get("text-anchor", ""), 0.0)
    x = float(element.attrib["x"]) - shift * font.width(text, size)
    numbers = [font.glyph(char) for char in text]
    used.update(zip(numbers, text, strict=True))
    yield f"BT {_color(element.attrib.get('fill', 'black'))} rg /F {size:g} Tf"
    yield f"1 0 0 -1 {x:.2f} {element.attrib['y']} Tm"
    yield f"<{''.join(f'{number:04x}' for number in numbers)}> Tj ET"


def _color(name: str) -> str:
    """A colour as three numbers from 0 to 1; nothing for none."""
    if name in ("none", "transparent"):
        return ""
    code = re.fullmatch("#(..)(..)(..)", COLORS.get(name, name))
    if code is None:
        raise RenderError(f"a PDF takes colours written as #rrggbb, this picture has {name!r}")
    return " ".join(f"{int(part, 16) / 255:.3f}" for part in code.groups())


def _font(used: dict[int, str]) -> Iterable[bytes | str]:
    """The objects 5 to 9: the font, its glyphs, their measures, their outlines, their meaning."""

    def scaled(*units: int) -> str:  # PDF counts a thousand units to an em
        return " ".join(f"{1000 * value / font.UNITS:.0f}" for value in units)

    numbers = sorted(used)
    widths = " ".join(f"{number} [{scaled(font.advance(number))}]" for number in numbers)
    name = "/BaseFont /AUTOGR+DejaVuSans"
    return (
        f"<< /Type /Font /Subtype /Type0 {name} /Encoding /Identity-H "
        "/DescendantFonts [6 0 R] /ToUnicode 9 0 R >>",
        f"<< /Type /Font /Subtype /CIDFontType2 {name} /CIDToGIDMap /Identity "
        "/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> "
        f"/FontDescriptor 7 0 R /DW 1000 /W [{widths}] >>",
        f"<< /Type /FontDescriptor {name.replace('BaseFont', 'FontName')} /Flags 4 /ItalicAngle 0 "
        f"/StemV 80 /FontBBox [{scaled(*font.BOX)}] /Ascent {scaled(font.ASCENT)} "
        f"/Descent {scaled(font.DESCENT)} /CapHeight {scaled(font.ASCENT)} /FontFile2 8 0 R >>",
        _stream(font.subset(numbers)),
        _stream(_meaning(used).encode()),
    )


def _meaning(used: dict[int, str]) -> str:
    """A CMap from glyphs to characters, so that text can be searched and copied."""
    lines = [f"<{number:04x}> <{char.encode('utf-16-be').hex()}>" for number, char in used.items()]
    blocks = [sorted(lines)[i : i + 100] for i in range(0, len(lines), 100)]  # a limit of CMaps
    return "\n".join(
        [
            "/CIDInit /ProcSet findresource begin 12 dict begin begincmap",
            "/CMapName /glyphs def /CMapType 2 def",
            "1 begincodespacerange <0000> <ffff> endcodespacerange",
            *(f"{len(block)} beginbfchar {' '.join(block)} endbfchar" for block in blocks),
            "endcmap CMapName currentdict /CMap defineresource pop end end",
        ]
    )


def _stream(content: bytes) -> bytes:
    packed = zlib.compress(content, 9)
    lengths = f"/Length {len(packed)} /Length1 {len(content)}"  # the second: of a font as it is
    head = f"<< /Filter /FlateDecode {lengths} >>\nstream\n"
    return head.encode() + packed + b"\nendstream"


def _file(*objects: bytes | str) -> bytes:
    """The objects 1, 2, ..., and the table of where each starts."""
    content = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
    table = "0000000000 65535 f \n"
    for i, thing in enumerate(objects, start=1):
        table += f"{len(content):010} 00000 n \n"
        body = thing.encode() if isinstance(thing, str) else thing
        content += b"%d 0 obj\n%b\nendobj\n" % (i, body)
    count = len(objects) + 1
    tail = f"xref\n0 {count}\n{table}trailer << /Size {count} /Root 1 0 R >>\n"
    return content + f"{tail}startxref\n{len(content)}\n%%EOF\n".encode()
