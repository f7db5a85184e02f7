"""Writes the page about the command line from the commands themselves: `python -m controller.cli.page > docs/cli.md`."""

from collections.abc import Iterator

import typer
from typer.core import TyperGroup

from controller.cli.app import build, known_extensions
from controller.cli.exits import SAID


def page() -> str:
    """The whole page, with the commands that other packages add."""
    lines = [
        "# The command line",
        "",
        "Written by `python -m controller.cli.page` from the commands themselves; `trimaran COMMAND --help` says the same.",
        "",
        "## Exit status",
        "",
        "| status | meaning |",
        "|---|---|",
        *(f"| {status.value} | {said} |" for status, said in SAID.items()),
    ]
    told = [*lines, *_group("trimaran", typer.main.get_command(build()))]
    for extension in sorted(known_extensions(), key=lambda one: one.name):
        everything = typer.main.get_command(build((extension.name,), (extension,)))
        assert isinstance(everything, TyperGroup), "a tree of commands"
        told += _group(f"trimaran {extension.name}", everything.commands[extension.name])
    return "\n".join(told) + "\n"


def _group(name: str, command: object) -> Iterator[str]:
    if not isinstance(command, TyperGroup):
        yield from _command(name, command)
        return
    if command.invoke_without_command:
        yield from _command(name, command)
    for inner, child in command.commands.items():
        if not child.hidden:
            yield from _group(f"{name} {inner}", child)


def _command(name: str, command: object) -> Iterator[str]:
    help_text = " ".join(str(getattr(command, "help", "") or "").split())
    yield from ("", f"## {name}", "", help_text, "", "| option | meaning |", "|---|---|")
    for param in getattr(command, "params", ()):
        shown = ", ".join(f"`{option}`" for option in param.opts) if param.opts[0].startswith("-") else f"`{param.metavar}`"
        metavar = f" `{param.metavar}`" if param.metavar and param.opts[0].startswith("-") else ""
        needed = " Needed." if param.required else ""
        yield f"| {shown}{metavar} | {param.help or ''}{needed} |"


if __name__ == "__main__":
    print(page(), end="")
