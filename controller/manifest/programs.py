"""How a program of this project is started, in the lab as on a node."""


def arguments(module: str, settings: str, *verb: str) -> tuple[str, ...]:
    """What follows the interpreter's name. `verb`: what comes before `--settings`."""
    return ("-m", module, *verb, "--settings", settings)


def controller(settings: str) -> tuple[str, ...]:
    """The same of the controller."""
    return arguments("controller", settings, "run")
