"""The tape as a picture: which operations a result came from, with values going forward and gradients coming back."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import nncore
from nncore import autograd
from nncore.tape import Node
from nncore.tensor import Tensor
from nncore.viz.layered import Edge, Layout, Vertex


class Graph:
    """What `graph` returns: shown by notebooks, saved as SVG with `save`."""

    def __init__(self, vertices: list[Vertex], edges: list[Edge]):
        self.vertices, self.edges = vertices, edges

    @property
    def dot(self) -> str:
        """The graph in Graphviz's language."""
        lines = ['rankdir="LR"; node [fontname="sans-serif", style=filled]; edge [fontname="sans-serif", fontsize=10];']
        for i, v in enumerate(self.vertices):
            shape, colour = ("ellipse", "#E8F1F8") if v.operation else ("box", "#FFF3D6")
            lines.append(f'{i} [label="{_escaped(v.label)}", shape={shape}, fillcolor="{colour}"];')
        lines += [f'{e.start} -> {e.end} [label="{_escaped(e.label)}"];' for e in self.edges]
        return "digraph {\n  " + "\n  ".join(lines) + "\n}\n"

    def svg(self) -> str:
        """The picture: drawn by Graphviz where its program `dot` is installed, by nncore itself where not."""
        if shutil.which("dot"):
            drawn = subprocess.run(["dot", "-Tsvg"], input=self.dot, capture_output=True, text=True, check=False)
            if drawn.returncode == 0:
                return drawn.stdout
        return Layout(self.vertices, self.edges).svg()

    _repr_svg_ = svg

    def save(self, path) -> Path:
        """Writes the SVG file."""
        path = Path(path)
        path.write_text(self.svg(), encoding="utf-8")
        return path


def graph(result: Tensor, names: Mapping[str, Tensor] | None = None, gradients: bool = True) -> Graph:
    """The operations that `result` was computed with, from the leaves on the left to the result on the right.

    An arrow is a tensor on its way from the operation that made it to one that used it. It carries the tensor's name
    and value where it is a leaf or among `names`, and with `gradients` the gradient of `result` with respect to it; a
    tensor of more than six elements is written as its shape. The tape stays as it is: `backward` works afterwards.

    >>> w = nc.tensor(3.0, requires_grad=True)
    >>> y = w * w
    >>> drawing = nc.viz.graph((y - 1) ** 2, {"w": w, "y": y})
    >>> sorted(edge.label.replace(chr(10), ", ") for edge in drawing.edges)[-2:]
    ['w = 3, gradient 96', 'y = 9, gradient 16']
    """
    if result.grad_fn is None:
        raise ValueError("graph: the result was not computed from a tensor that requires a gradient")
    known = {_key(autograd.edge_of(t)): (name, t) for name, t in (names or {}).items() if t.requires_grad}
    nodes = _nodes(result.grad_fn)
    slopes = _gradients(result, nodes) if gradients else {}
    vertices: list[Vertex] = []
    edges: list[Edge] = []
    place: dict[int, int] = {}

    def vertex(target, label: str, operation: bool) -> int:
        if id(target) not in place:
            place[id(target)] = len(vertices)
            vertices.append(Vertex(label, operation))
        return place[id(target)]

    def label(edge) -> str:
        target, _ = edge
        name, tensor = known.get(_key(edge), ("", target if type(target) is not Node else None))
        value = "" if tensor is None else _written(tensor)
        first = f"{name} = {value}" if name and value else name or value
        slope = slopes.get(_key(edge))
        return "\n".join([first] * bool(first) + [f"gradient {_written(slope)}"] * (slope is not None))

    for node in nodes:
        end = vertex(node, node.name(), True)
        for edge in node.edges:
            if edge is not None:
                target = edge[0]
                name = target.name() if type(target) is Node else known.get(_key(edge), ("leaf",))[0]
                edges.append(Edge(vertex(target, name, type(target) is Node), end, label(edge)))
    final = autograd.edge_of(result)
    edges.append(Edge(vertex(result.grad_fn, "", True), len(vertices), label(final)))
    vertices.append(Vertex(known.get(_key(final), ("result",))[0], False))
    return Graph(vertices, edges)


def _key(edge) -> tuple[int, int]:
    return id(edge[0]), edge[1]


def _nodes(last: Node) -> list[Node]:
    """The nodes that lead to the last, in the order in which they were made."""
    found, waiting = {}, [last]
    while waiting:
        node = waiting.pop()
        if id(node) not in found:
            found[id(node)] = node
            waiting += [edge[0] for edge in node.edges if edge is not None and type(edge[0]) is Node]
    return sorted(found.values(), key=lambda node: node.order)


def _gradients(result: Tensor, nodes: list[Node]) -> dict[tuple[int, int], Tensor]:
    """The gradient of result with respect to every tensor that stands on an arrow."""
    places = {_key(edge): edge for node in nodes for edge in node.edges if edge is not None}
    final = autograd.edge_of(result)
    places[_key(final)] = final
    tensors = [t if type(t) is not Node else Tensor._restore(result._array, t, index) for t, index in places.values()]
    weights = nncore.ones_like(result)
    found = autograd.grad(result, tensors, weights, retain_graph=True, allow_unused=True)
    return {key: g for key, g in zip(places, found, strict=True) if g is not None}


def _written(tensor: Tensor) -> str:
    """The numbers of a small tensor, the shape of a large one."""
    if tensor.numel() > 6:
        return str(list(tensor.shape))
    return _nested(tensor.tolist())


def _nested(values) -> str:
    return f"({', '.join(map(_nested, values))})" if isinstance(values, list) else f"{values:.3g}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
