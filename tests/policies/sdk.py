"""What the installed SDKs know: resource classes by token, and the properties that their arguments have on the wire."""

import importlib
import inspect
import re
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_args

import pulumi_aws
import pulumi_azure_native
import pulumi_gcp
from pulumi._types import input_type_types, is_input_type
from pulumi.runtime import rpc

PACKAGES = (pulumi_aws, pulumi_azure_native, pulumi_gcp)
PROVIDERS: Mapping[str, Any] = {
    "pulumi:providers:aws": pulumi_aws.Provider,
    "pulumi:providers:azure-native": pulumi_azure_native.Provider,
    "pulumi:providers:gcp": pulumi_gcp.Provider,
}


@cache
def _places() -> Mapping[str, tuple[str, str]]:
    """Module and class of every resource, by token."""
    found: dict[str, tuple[str, str]] = {}
    for modules in rpc._RESOURCE_MODULES.values():
        for one in modules:
            told: Mapping[str, Any] = getattr(one, "mod_info", {})
            found |= {token: (told["fqn"], name) for token, name in told.get("classes", {}).items()}
    return found


def exists(token: str) -> bool:
    """Does an SDK have a resource with that token?"""
    return token in PROVIDERS or token in _places()


def _arguments(token: str) -> type:
    """The class of its arguments."""
    if token in PROVIDERS:
        return vars(importlib.import_module(PROVIDERS[token].__module__))["ProviderArgs"]  # type: ignore[no-any-return]
    fqn, name = _places()[token]
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # of other classes of the same module
        made = getattr(importlib.import_module(fqn), name)
    module = inspect.getmodule(made)
    for candidate in (f"{name}InitArgs", f"{name}Args"):
        if (found := vars(module).get(candidate)) is not None:
            return found  # type: ignore[no-any-return]
    raise LookupError(token)


def _nested(kind: Any) -> Iterator[type]:
    """Classes of arguments within a type."""
    if isinstance(kind, type) and is_input_type(kind):
        yield kind
    for inner in get_args(kind):
        yield from _nested(inner)


@cache
def takes(token: str, path: str) -> bool:
    """Can a resource of that token be given something there? Paths are those of the rules: `a.b[].c`."""
    kinds: list[type] = [_arguments(token)]
    for step in re.split(r"\.|\[\]\.?", path.rstrip("[]")):
        known = [types[step] for kind in kinds if step in (types := input_type_types(kind))]
        if not known:
            return False
        kinds = [inner for kind in known for inner in _nested(kind)]
        if not kinds:  # a scalar, or a map whose keys are free
            return True
    return True
