"""A package that adds commands, for the tests of the extension point."""

import typer

app = typer.Typer()


@app.command("up")
def up() -> None:
    """Go up."""
    print("up")


@app.command("down")
def down() -> None:
    """Go down."""
    print("down")


def add(parent: typer.Typer) -> None:
    """Add one command to the parent."""

    @parent.command("greet")
    def greet() -> None:
        """Greet."""
        print("hello")


def broken(parent: typer.Typer) -> None:
    """Fail."""
    raise RuntimeError("no hull")
