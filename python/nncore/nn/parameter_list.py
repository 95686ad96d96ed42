"""ParameterList and ParameterDict: parameters (or other values) in a list or under names."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from nncore.nn.container import position
from nncore.nn.module import Module, _indented, typename
from nncore.nn.parameter import Parameter
from nncore.tensor import Tensor


def _as_parameter(value):
    """Tensors become parameters; anything else is kept as it is, and is no part of the state."""
    return Parameter(value) if isinstance(value, Tensor) and not isinstance(value, Parameter) else value


def _describe(value, kind_of_elements):
    if not isinstance(value, Tensor):
        return f"Object of type: {typename(value)}"
    size = "x".join(str(extent) for extent in value.shape)
    place = "" if value.device.type == "cpu" else f" ({value.device})"
    kind = "Parameter" if isinstance(value, Parameter) else "Tensor"
    return f"{kind} containing: [{kind_of_elements(value)} of size {size}{place}]"


def _listed(items, kind_of_elements=typename):
    return "\n".join(f"  ({name}): {_indented(_describe(value, kind_of_elements))}" for name, value in items)


class ParameterList(Module):
    """A list whose tensors are parameters of the module that holds it.

    >>> weights = nc.nn.ParameterList([nc.ones(2, 3), nc.zeros(3)])
    >>> len(weights), [name for name, _ in weights.named_parameters()]
    (2, ['0', '1'])
    """

    def __init__(self, values=None) -> None:
        super().__init__()
        self._size = 0
        if values is not None:
            self.extend(values)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return type(self)([self[i] for i in range(*index.indices(len(self)))])
        return getattr(self, str(position(index, len(self))))

    def __setitem__(self, index, value):
        setattr(self, str(position(index, len(self))), _as_parameter(value))

    def __len__(self) -> int:
        return self._size

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __iadd__(self, values):
        return self.extend(values)

    def append(self, value: float):
        """Add a value at the end; returns self."""
        self._size += 1
        self[self._size - 1] = value
        return self

    def extend(self, values):
        """Add all values of an iterable at the end; returns self."""
        if not isinstance(values, Iterable) or isinstance(values, Tensor):
            raise TypeError(f"ParameterList.extend should be called with an iterable, but got {type(values).__name__}")
        for value in list(values):
            self.append(value)
        return self

    def pop(self, index=-1):
        """Take out the value at `index` and return it."""
        values = list(self)
        value = values.pop(position(index, len(values)))
        for i in range(self._size):  # a place that held a parameter takes nothing else until it is deleted
            delattr(self, str(i))
        self._size = 0
        self.extend(values)
        return value

    def extra_repr(self) -> str:
        return _listed(enumerate(self), lambda t: t.dtype)

    def __call__(self, *args, **kwargs):
        raise RuntimeError("ParameterList should not be called.")


class ParameterDict(Module):
    """A dictionary whose tensors are parameters of the module that holds it, in the order of insertion.

    >>> sorted(nc.nn.ParameterDict({"scale": nc.ones(3), "shift": nc.zeros(3)}).keys())
    ['scale', 'shift']
    """

    def __init__(self, parameters=None) -> None:
        super().__init__()
        self._keys = {}  # used as an ordered set
        if parameters is not None:
            self.update(parameters)

    def __getitem__(self, key):
        if key not in self._keys:
            raise KeyError(key)
        return getattr(self, key)

    def __setitem__(self, key, value):
        if not isinstance(key, str):
            raise TypeError(
                "Index given to ParameterDict cannot be used as a key as it is not a string (type is "
                f"'{type(key).__name__}'). Open an issue on github if you need non-string keys."
            )
        self._keys[key] = None
        setattr(self, key, _as_parameter(value))

    def __delitem__(self, key):
        del self._keys[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self):
        return iter(self._keys)

    def __reversed__(self):
        return reversed(self._keys)

    def __contains__(self, key):
        return key in self._keys

    def __or__(self, other):
        union = self.copy()
        union.update(other)
        return union

    def __ror__(self, other):
        union = ParameterDict(other)
        union.update(self)
        return union

    def __ior__(self, other):
        self.update(other)
        return self

    def copy(self):
        """Another ParameterDict with the same values."""
        return type(self)(dict(self.items()))

    def setdefault(self, key, default=None):
        """The value under `key`, which becomes `default` where there was none."""
        if key not in self:
            self[key] = default
        return self[key]

    def clear(self):
        """Remove all values."""
        for key in list(self._keys):
            del self[key]

    def pop(self, key):
        """Take out the value under `key` and return it."""
        value = self[key]
        del self[key]
        return value

    def popitem(self):
        """Take out the last (key, value)."""
        key = next(reversed(self._keys))
        return key, self.pop(key)

    def get(self, key, default=None):
        """The value under `key`, or `default`."""
        return self[key] if key in self else default  # noqa: SIM401 (this is what get is)

    def fromkeys(self, keys, default=None):
        """A ParameterDict with `default` under each of `keys`."""
        return type(self)(dict.fromkeys(keys, default))

    def keys(self):
        """The names."""
        return self._keys.keys()

    def items(self):
        """Pairs of name and value."""
        return ((key, self[key]) for key in self._keys)

    def values(self):
        """The values."""
        return (self[key] for key in self._keys)

    def update(self, parameters):
        """Set the values of a mapping, or of an iterable of (key, value)."""
        if not isinstance(parameters, Iterable | Mapping):
            raise TypeError(
                "ParametersDict.update should be called with an iterable of key/value pairs, but got "
                + type(parameters).__name__
            )
        if isinstance(parameters, OrderedDict | ParameterDict):
            parameters = parameters.items()
        elif isinstance(parameters, Mapping):
            parameters = sorted(parameters.items())  # PyTorch sorts plain dictionaries here, and only here
        for key, value in parameters:
            self[key] = value

    def extra_repr(self) -> str:
        return _listed(self.items())

    def __call__(self, *args, **kwargs):
        raise RuntimeError("ParameterDict should not be called.")
