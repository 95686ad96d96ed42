"""Layered drawings of directed graphs, as SVG and without any other program.

The method is that of Sugiyama, Tagawa and Toda (1981) in its simplest form: every vertex stands one layer behind the
last of those that lead to it; long arrows get a bend in each layer that they cross; within its layer a vertex stands
at the mean height of its neighbours. What stands on the arrows that leave a vertex is written once, right behind it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

_LINE, _WIDTH, _GAP, _MARGIN = 15, 6.6, 26, 12  # pixels: a line of text, a character, between vertices, at the border


@dataclass
class Vertex:
    """A box, or an ellipse for an operation."""

    label: str
    operation: bool = False


@dataclass
class Edge:
    """An arrow between two vertices, by their numbers."""

    start: int
    end: int
    label: str = ""


@dataclass
class _Point:
    """A vertex, or the bend of a long arrow."""

    layer: int
    height: float
    width: float
    label: str = ""
    y: float = 0.0
    before: list[int] = field(default_factory=list)
    after: list[int] = field(default_factory=list)

    @property
    def room(self) -> float:
        """The height that it takes, with its label and the gap to the next."""
        return max(self.height, _size(self.label)[0] - 10 if self.label else 0.0) + _GAP


class Layout:
    """Where the vertices and arrows of a graph without cycles stand."""

    def __init__(self, vertices: list[Vertex], edges: list[Edge]):
        self.vertices, self.edges = vertices, edges
        layers = _layers(len(vertices), edges)
        self.points = [_Point(layer, *_size(v.label)) for layer, v in zip(layers, vertices, strict=True)]
        for i, p in enumerate(self.points):
            p.label = "\n".join(dict.fromkeys(e.label for e in edges if e.start == i and e.label))
        self.routes = [self._route(edge) for edge in edges]
        self._order()
        self._place()

    def _route(self, edge: Edge) -> list[int]:
        """The points that an arrow passes, with a bend in each layer between its ends."""
        route = [edge.start]
        for layer in range(self.points[edge.start].layer + 1, self.points[edge.end].layer):
            route.append(len(self.points))
            self.points.append(_Point(layer, 2.2 * _LINE, 0.0))
        route.append(edge.end)
        for a, b in itertools.pairwise(route):
            self.points[a].after.append(b)
            self.points[b].before.append(a)
        return route

    def _order(self) -> None:
        """Brings neighbours to like heights, sweeping to and fro."""
        self.columns = [[] for _ in range(1 + max(p.layer for p in self.points))]
        for i, p in enumerate(self.points):
            self.columns[p.layer].append(i)
        self._stack()
        for sweep in range(12):
            forward = sweep % 2 == 0
            for column in self.columns if forward else reversed(self.columns):
                wished = {}
                for i in column:
                    p = self.points[i]
                    near = (p.before if forward else p.after) or [i]
                    wished[i] = sum(self.points[n].y for n in near) / len(near)
                column.sort(key=lambda i, wished=wished: wished[i])
                self._spread(column, wished)

    def _stack(self) -> None:
        for column in self.columns:
            self._spread(column, dict.fromkeys(column, 0.0))

    def _spread(self, column: list[int], wished: dict[int, float]) -> None:
        """As near to the wished heights as the vertices' own heights allow, none over another."""
        groups: list[list] = []  # [points, their total height, the sum of where they would like the top to be]
        for i in column:
            height = self.points[i].room
            groups.append([[i], height, wished[i] - height / 2])
            while len(groups) > 1 and _top(groups[-2]) + groups[-2][1] > _top(groups[-1]):
                members, total, top = groups.pop()
                groups[-1][2] += top - groups[-1][1] * len(members)
                groups[-1][0] += members
                groups[-1][1] += total
        for group in groups:
            y = _top(group)
            for i in group[0]:
                self.points[i].y = y + self.points[i].room / 2
                y += self.points[i].room

    def _place(self) -> None:
        """The columns from left to right, far enough apart for the labels of the arrows between them."""
        x, self.x, self.start = float(_MARGIN), [], []
        for column in self.columns:
            half = max(self.points[i].width for i in column) / 2
            self.x.append(x + half)
            x += 2 * half
            x += max((_size(self.points[i].label)[1] for i in column if self.points[i].label), default=0.0)
            self.start.append(x)  # where the arrows leave the column
            x += 50
        top = min(p.y - p.room / 2 for p in self.points) - _MARGIN
        for p in self.points:
            p.y -= top
        self.width = self.start[-1] + _MARGIN
        self.height = max(p.y + p.room / 2 for p in self.points) + _MARGIN

    def svg(self) -> str:
        """The picture."""
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width:.0f}" height="{self.height:.0f}" '
            f'viewBox="0 0 {self.width:.0f} {self.height:.0f}" font-family="sans-serif" font-size="12">',
            '<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
            'orient="auto"><path d="M0 0L10 5L0 10z" fill="#555"/></marker></defs>',
            f'<rect width="{self.width:.0f}" height="{self.height:.0f}" fill="white"/>',
        ]
        parts += [self._arrow(route) for route in self.routes]
        for i, vertex in enumerate(self.vertices):
            parts += self._vertex(self.points[i], vertex)
            parts += self._label(self.points[i])
        return "\n".join([*parts, "</svg>"]) + "\n"

    def _arrow(self, route: list[int]) -> str:
        """Level past the label, then from bend to bend."""
        first, last = self.points[route[0]], self.points[route[-1]]
        path = f"M{self.x[first.layer] + first.width / 2:.1f} {first.y:.1f}"
        for i, j in itertools.pairwise(route):
            p, q = self.points[i], self.points[j]
            x, to = self.start[p.layer], self.x[q.layer] - (q.width / 2 if q is last else 0)
            path += f"H{x:.1f}C{(x + to) / 2:.1f} {p.y:.1f} {(x + to) / 2:.1f} {q.y:.1f} {to:.1f} {q.y:.1f}"
        return f'<path d="{path}" fill="none" stroke="#555" marker-end="url(#arrow)"/>'

    def _vertex(self, p: _Point, vertex: Vertex) -> list[str]:
        x, y, w, h = self.x[p.layer], p.y, p.width, p.height
        if vertex.operation:
            shape = (
                f'<ellipse cx="{x:.1f}" cy="{y:.1f}" rx="{w / 2:.1f}" ry="{h / 2:.1f}" fill="#E8F1F8" stroke="#333"/>'
            )
        else:
            extent = f'x="{x - w / 2:.1f}" y="{y - h / 2:.1f}" width="{w:.1f}" height="{h:.1f}"'
            shape = f'<rect {extent} fill="#FFF3D6" stroke="#333"/>'
        return [shape, *_text(vertex.label, x, y, "#000")]

    def _label(self, p: _Point) -> list[str]:
        """On the level stretch behind a vertex, on a white ground."""
        if not p.label:
            return []
        height, width = _size(p.label)
        x = self.x[p.layer] + p.width / 2 + width / 2
        corner = f'x="{x - width / 2 + 8:.1f}" y="{p.y - height / 2 + 6:.1f}"'
        size = f'width="{width - 16:.1f}" height="{height - 12:.1f}"'
        return [f'<rect {corner} {size} fill="white"/>', *_text(p.label, x, p.y, "#8A3B00", 11)]


def _top(group: list) -> float:
    return group[2] / len(group[0])


def _layers(count: int, edges: list[Edge]) -> list[int]:
    """How many arrows lead to each vertex at most; what nothing leads to stands right before what it leads to."""
    after: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for e in edges:
        after[e.start].append(e.end)
        waiting[e.end] += 1
    sources = [v for v in range(count) if waiting[v] == 0]
    layer = [0] * count
    ready = list(sources)
    while ready:
        v = ready.pop()
        for w in after[v]:
            layer[w] = max(layer[w], layer[v] + 1)
            waiting[w] -= 1
            if waiting[w] == 0:
                ready.append(w)
    for v in sources:
        layer[v] = min((layer[w] for w in after[v]), default=1) - 1
    return layer


def _size(label: str) -> tuple[float, float]:
    lines = label.split("\n")
    return _LINE * len(lines) + 14, _WIDTH * max(map(len, lines)) + 22


def _text(label: str, x: float, y: float, colour: str, size: int = 12) -> list[str]:
    lines = label.split("\n")
    top = y - _LINE * (len(lines) - 1) / 2 + 4
    style = f'text-anchor="middle" fill="{colour}" font-size="{size}"'
    return [
        f'<text x="{x:.1f}" y="{top + _LINE * i:.1f}" {style}>{escape(line)}</text>' for i, line in enumerate(lines)
    ]
