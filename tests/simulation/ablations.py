"""What keeps the promises, each taken away by itself, and the promise that breaks then."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def replaced(owner: Any, name: str, instead: Any) -> Iterator[None]:
    """Something of the product is another one for a while. It is the product's absence that is tried here, not a test's convenience."""
    before = owner.__dict__[name] if isinstance(owner, type) and name in owner.__dict__ else getattr(owner, name)
    inherited = isinstance(owner, type) and name not in owner.__dict__
    setattr(owner, name, instead)
    try:
        yield
    finally:
        if inherited:
            delattr(owner, name)
        else:
            setattr(owner, name, before)
