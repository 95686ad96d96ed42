"""Tensor: an array plus its place on the tape.

This file holds what a tensor is; what can be computed with tensors stands in `nncore.ops`, where each operation that is
also a method carries the decorator `tensor_method`.
"""

from __future__ import annotations

import warnings
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from nncore import _core, autograd
from nncore.grad_mode import _mode
from nncore.handle import RETAIN, RemovableHandle
from nncore.ops.numpy_view import to_numpy
from nncore.plans.recording import Changes, refuse_reading
from nncore.size import Size, in_range

if TYPE_CHECKING:
    from collections.abc import Callable

_CPU = _core.device("cpu")
_BFLOAT16 = _core.dtype.bfloat16
_ELEMENTS = "reading a tensor's elements (numpy(), tolist(), print)"


class Tensor:
    """A multi-dimensional array that remembers how it was computed.

    Make one with `nncore.tensor`, `nncore.zeros`, `nncore.from_numpy`, ...; the constructor wraps a native array.
    """

    __slots__ = (
        "__weakref__",
        "_after_grad",
        "_array",
        "_base",
        "_grad",
        "_hooks",
        "_index",
        "_node",
        "_requires_grad",
        "_views",
    )
    __array_priority__ = 1000  # numpy_array + tensor is the tensor's addition

    def __init__(self, array: _core.Array):
        self._array = array
        self._node: autograd.Node | None = None
        self._index = 0
        self._requires_grad = False
        self._hooks: dict[int, Callable] | None = None
        self._base: Tensor | None = None  # of a view: the tensor whose memory it shows
        self._views: dict[int, weakref.ref] | None = None  # of a base: the views of it that are alive
        self._grad: Tensor | None = None
        self._after_grad: dict[int, Callable] | None = None

    @staticmethod
    def _restore(array: _core.Array, node: autograd.Node | None, index: int) -> Tensor:
        """A tensor over the array at that place of the tape."""
        tensor = Tensor(array)
        if node is not None:
            tensor._node, tensor._index, tensor._requires_grad = node, index, True
        return tensor

    # ---- what it is ----

    @property
    def shape(self) -> Size:
        """The extent of each dimension."""
        return Size(self._array.shape)

    @property
    def dtype(self) -> _core.dtype:
        """The type of the elements."""
        return self._array.dtype

    @property
    def device(self) -> _core.device:
        """Where the elements are."""
        return self._array.device

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self._array.ndim

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self._array.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self._array.nbytes

    def size(self, dim: int | None = None) -> Size | int:
        """The shape, or the extent of one dimension."""
        return self.shape if dim is None else self.shape[in_range(dim, self.ndim)]

    def dim(self) -> int:
        """The number of dimensions."""
        return self._array.ndim

    def numel(self) -> int:
        """The number of elements."""
        return self._array.numel

    nelement = numel

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._array.dtype.itemsize

    def stride(self, dim: int | None = None) -> tuple[int, ...] | int:
        """How many elements lie between neighbours, for each dimension or for one."""
        strides = self._array.strides
        return strides if dim is None else strides[in_range(dim, self.ndim)]

    def storage_offset(self) -> int:
        """Where the first element lies in its memory, in elements."""
        return self._array.offset

    def is_contiguous(self) -> bool:
        """Whether the elements lie one after the other, the last dimension fastest."""
        return self._array.is_contiguous

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self._array.data_ptr

    def is_floating_point(self) -> bool:
        """Whether the dtype is bfloat16, float16, float32 or float64."""
        return self._array.is_floating

    @property
    def is_cuda(self) -> bool:
        """Whether the elements are on a GPU."""
        return self._array.device.type == "cuda"

    @property
    def _version(self) -> int:
        return self._array.version

    # ---- its place on the tape ----

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this tensor are recorded, so that gradients reach it."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Sets `requires_grad` and returns the tensor."""
        if requires_grad and not self.is_floating_point():
            raise RuntimeError(f"only tensors of floating point dtype can require gradients, got {self.dtype}")
        if self._node is not None and not requires_grad:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. Use detach() for a value that needs none."
            )
        self._requires_grad = bool(requires_grad)
        Changes.count += 1
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether this tensor was made by the user, not by a recorded operation."""
        return self._node is None

    @property
    def grad_fn(self) -> autograd.Node | None:
        """The node of the tape that made this tensor."""
        return self._node

    @property
    def output_nr(self) -> int:
        """Which of the results of `grad_fn` this tensor is."""
        return self._index

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` has added up for this tensor, None before the first one."""
        if self._grad is None and self._node is not None and not self.retains_grad:
            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute "
                "won't be populated during autograd.backward(), unless .retain_grad() was called on it before.",
                stacklevel=2,
            )
        if _mode.notes is not None:
            _mode.notes.gradient_read(self)
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type {type(value)}")
            if value is self:
                raise RuntimeError("can't assign a Tensor as its own grad")
            for what in ("dtype", "device", "shape"):
                mine, given = getattr(self, what), getattr(value, what)
                if mine != given:
                    raise RuntimeError(
                        f"attempting to assign a gradient of {what} {given} to a tensor of {what} {mine}"
                    )
        if _mode.notes is not None:
            _mode.notes.gradient_set(self)
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self.grad = None

    @property
    def data(self) -> Tensor:
        """The same elements off the tape; writes to it are not noticed by the tape."""
        return Tensor(self._array.alias())

    @data.setter
    def data(self, other: Tensor) -> None:
        if not isinstance(other, Tensor):
            raise TypeError(f"data: expected a Tensor, got {type(other).__name__}")
        if self._requires_grad and not other.is_floating_point():
            raise RuntimeError(f"data: a tensor that requires a gradient cannot get elements of {other.dtype}")
        self._array = other._array.alias()
        Changes.count += 1

    def detach(self) -> Tensor:
        """The same elements in a tensor that no gradient leads through."""
        return Tensor(self._array)

    def detach_(self) -> Tensor:
        """Takes this tensor off the tape: it becomes a leaf."""
        if self._base is not None:
            raise RuntimeError("detach_: a view cannot be detached in place. Use detach() instead.")
        self._node, self._index, self._requires_grad = None, 0, False
        return self

    def backward(self, gradient: Tensor | None = None, retain_graph=None, create_graph=False, inputs=None) -> None:
        """Adds the gradient of this tensor to the `grad` of every leaf that it was computed from, or of the inputs.

        gradient weights the elements and has this tensor's shape; a tensor of one element needs none.

        >>> w = nc.tensor([1.0, 2.0], requires_grad=True)
        >>> (w * w).sum().backward()
        >>> w.grad
        tensor([2., 4.])
        """
        autograd.backward((self,), (gradient,), retain_graph, create_graph, inputs)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Calls hook(gradient) when this tensor's gradient is known; what it returns, if anything, replaces it."""
        if not self._requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if self._node is None:
            self._hooks = {} if self._hooks is None else self._hooks
            return RemovableHandle(self._hooks, hook)
        node = self._node
        node.hooks = {} if node.hooks is None else node.hooks
        return RemovableHandle(node.hooks.setdefault(self._index, {}), hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Calls hook(tensor) each time `backward` has added to the `grad` of this leaf."""
        if not self._requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if self._node is not None:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        self._after_grad = {} if self._after_grad is None else self._after_grad
        return RemovableHandle(self._after_grad, hook)

    @property
    def retains_grad(self) -> bool:
        """Whether `retain_grad` was called on this tensor, which is not a leaf."""
        hooks = self._node.hooks if self._node is not None else None
        return bool(hooks) and RETAIN in hooks.get(self._index, ())

    def retain_grad(self) -> None:
        """Makes backward keep the gradient of this tensor, as its hooks leave it, in `grad` though it is not a leaf."""
        if not self._requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self._node is None:
            return
        reference = weakref.ref(self)

        def keep(gradient: Tensor | None) -> None:
            tensor = reference()
            if tensor is not None and gradient is not None:
                tensor._grad = gradient.detach().clone() if tensor._grad is None else tensor._grad + gradient

        node = self._node
        node.hooks = {} if node.hooks is None else node.hooks
        node.hooks.setdefault(self._index, {}).setdefault(RETAIN, keep)

    def _full_like(self, value: float) -> Tensor:
        return Tensor(_core.full(self._array.shape, value, self._array.dtype, self._array.device))

    # ---- into other worlds ----

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """A NumPy array over the same memory. With force also for tensors that require a gradient, and as a copy for
        those on a GPU."""
        if self._requires_grad and not force:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        if self.is_cuda and not force:
            raise TypeError(
                f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host "
                "memory first."
            )
        refuse_reading(_ELEMENTS)
        return to_numpy(_core.to_device(self._array, _CPU) if force else self._array)

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(f"a copy is needed to give a tensor of {self.dtype} the dtype {dtype}")
            return array.astype(dtype)
        return array.copy() if copy else array

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        if stream is not None and not self.is_cuda:
            raise BufferError(f"__dlpack__: memory of the CPU has no stream; expected None, got {stream!r}")
        if dl_device is not None and tuple(dl_device) != self.__dlpack_device__():
            raise BufferError(f"__dlpack__: expected device {self.__dlpack_device__()}, got {tuple(dl_device)}")
        if self._requires_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        source = self._array if not copy else _core.clone(self._array)
        if self.is_cuda:
            from nncore import cuda

            cuda._hand_over(source, stream)
        return _core.to_dlpack(source, max_version is not None and max_version[0] >= 1)

    def __dlpack_device__(self) -> tuple[int, int]:
        device = self._array.device
        return (1, 0) if device.type == "cpu" else (2, device.index)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Version 3 of the interface by which CuPy, Numba and PyTorch see an array on a GPU."""
        if not self.is_cuda:
            raise AttributeError(f"Can't get __cuda_array_interface__ on a tensor of device {self.device}")
        if self._requires_grad:
            raise RuntimeError("Can't get __cuda_array_interface__ on a tensor that requires grad, use tensor.detach()")
        array = self._array
        kind = (
            "f" if array.is_floating else "b" if array.dtype is _core.dtype.bool else "iu"[array.dtype.name == "uint8"]
        )
        size = array.dtype.itemsize
        return {
            "shape": tuple(array.shape),
            "typestr": f"{'|' if size == 1 else '<'}{kind}{size}",
            "data": (array.data_ptr if array.numel else 0, False),
            "version": 3,
            "strides": None if array.is_contiguous else tuple(size * stride for stride in array.strides),
            "stream": _core.current_stream(array.device.index) or 1,
        }

    def item(self) -> float:
        """The only element, as a Python number."""
        return self._array.item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        if self._array.dtype is _BFLOAT16:  # by way of float32, which NumPy has
            return Tensor(_core.cast(self._array, _core.dtype.float32)).tolist()
        return self.numpy(force=True).tolist()

    def __len__(self) -> int:
        if self._array.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return self._array.shape[0]

    def __iter__(self):
        if self._array.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        if self._array.numel != 1:
            raise RuntimeError(f"Boolean value of Tensor with {self._array.numel} values is ambiguous")
        return bool(self._array.item())

    def __float__(self) -> float:
        return float(self._array.item())

    def __int__(self) -> int:
        return int(self._array.item())

    def __index__(self) -> int:
        if self._array.dtype.is_floating_point:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self._array.item())

    def __contains__(self, element) -> bool:
        return bool((self == element).any())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self._array.ndim == 0 and spec else str(self)

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        from nncore.printing import tensor_repr

        return tensor_repr(self)

    def __deepcopy__(self, memo: dict) -> Tensor:
        if self._node is not None:
            raise RuntimeError("only tensors created explicitly by the user (graph leaves) can be deep-copied")
        copy = type(self)._rebuild(_core.clone(self._array), self._requires_grad)
        memo[id(self)] = copy
        copy._grad = None if self._grad is None else self._grad.__deepcopy__(memo)
        return copy

    def __reduce__(self):
        refuse_reading(_ELEMENTS)
        values = np.asarray(_core.to_device(self._array, _CPU)).copy()  # of bfloat16, the bits
        bits = self._array.dtype is _BFLOAT16
        return (_unpickle, (type(self), values, self._requires_grad, str(self.device), bits))

    @classmethod
    def _rebuild(cls, array: _core.Array, requires_grad: bool) -> Tensor:
        tensor = cls.__new__(cls)
        Tensor.__init__(tensor, array)
        tensor._requires_grad = requires_grad
        return tensor


def _unpickle(cls: type, values: np.ndarray, requires_grad: bool, device: str = "cpu", bits: bool = False) -> Tensor:
    array = _core.clone(_core.from_buffer(values, bits))
    return cls._rebuild(_core.to_device(array, _core.device(device)), requires_grad)


def tensor_method(function: Callable | None = None, *, name: str | None = None) -> Callable:
    """Makes an operation a method of Tensor as well: `nncore.relu(x)` is also `x.relu()`."""

    def attach(operation: Callable) -> Callable:
        setattr(Tensor, name or operation.__name__, operation)
        return operation

    return attach if function is None else attach(function)
