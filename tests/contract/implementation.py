"""One implementation of a port, as its contract suite runs it: something all tests of a module share, and a world for each test."""

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Generic, TypeVar

W = TypeVar("W")


@dataclass(frozen=True, kw_only=True)
class Implementation(Generic[W]):
    """Registered in `registry.py`."""

    name: str
    open: Callable[[Any, str], AbstractAsyncContextManager[W]]
    """A world of its own for one test, by its name; healthy before and after. Given what `start` made."""
    start: Callable[[Path], AbstractContextManager[Any]] = field(default=lambda folder: nullcontext())
    """What all tests of a module share, an emulated cloud for example; started when the first of them needs it."""

    def __str__(self) -> str:
        return self.name


class Started:
    """What is running for one test module."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack, self._shared = folder, stack, dict[str, Any]()
        self._worlds = count(1)

    def world(self, implementation: Implementation[W], test: str) -> AbstractAsyncContextManager[W]:
        """A world of this implementation."""
        name = implementation.name
        if name not in self._shared:
            (self._folder / name).mkdir()
            self._shared[name] = self._stack.enter_context(implementation.start(self._folder / name))
        spelled = "".join(c if c.isalnum() else "-" for c in test)[:40].strip("-").lower()
        return implementation.open(self._shared[name], f"{spelled}-{next(self._worlds)}")


@contextmanager
def started(folder: Path) -> Iterator[Started]:
    """Nothing yet; everything that was started ends with it."""
    with ExitStack() as stack:
        yield Started(folder, stack)
