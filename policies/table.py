"""The table of `docs/policies.md`, from the controls: `python -m policies.table`. A test compares the two."""

from policies.controls import CONTROLS, Bound, Control

HEAD = (
    "| id | looks at | rule | severity | level | references | way out |",
    "|---|---|---|---|---|---|---|",
)


def _row(control: Control) -> str:
    numbers = "".join(
        f" `{one.name}` {'≥' if one.may_go is Bound.UP else '≤'} {one.value:g}." for one in control.parameters
    )  # what is promised; a run may be stricter
    cells = (
        f'<a id="{control.id}"></a>`{control.id}`',
        control.scope.value,
        control.promise + numbers,
        control.severity.value,
        "advisory" if control.advisory else "mandatory",
        "; ".join(control.references),
        control.way_out,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def table() -> str:
    """In Markdown."""
    return "\n".join((*HEAD, *map(_row, CONTROLS)))


if __name__ == "__main__":
    print(table())
