"""`trimaran settings ...`: where a controller's settings come from when somebody else's program made what they name."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from controller.cli.exits import Ended, Exit
from controller.cli.options import leave
from controller.cli.schema import pairs

if TYPE_CHECKING:
    from controller.stacks.contract import Stack
    from controller.stacks.outputs import Live

app = typer.Typer(help="Where a controller's settings come from.", no_args_is_help=True)

Site = Annotated[
    Literal["aws", "azure", "gcp"], typer.Option("--site", metavar="SITE", help="Whose controller: aws, azure or gcp.")
]
Writer = Annotated[Literal["aws", "azure", "gcp"], typer.Option("--writer", metavar="SITE", help="Who writes first.")]
Issuer = Annotated[str, typer.Option("--issuer", metavar="URL", help="Token endpoint of the issuer that the services believe.")]
IssuerAuthority = Annotated[
    str | None,
    typer.Option(
        "--issuer-authority",
        metavar="FILE",
        help="Who vouches for the issuer, PEM, as the node finds it: without a folder beside the settings. Default: whom it trusts.",
    ),
]
EdgeAuthority = Annotated[
    str | None,
    typer.Option(
        "--edge-authority",
        metavar="FILE",
        help="Who vouches for the certificates that edges show to clients, PEM, as the node finds it, likewise. Default: whom it trusts.",
    ),
]
Client = Annotated[
    str, typer.Option("--client", metavar="ID", help="The controller's id at the issuer. Default: controller-SITE.")
]
Scope = Annotated[str, typer.Option("--scope", metavar="SCOPE", help="What its canaries need there.")]
Currency = Annotated[str, typer.Option("--currency", metavar="CODE", help="Of the accounts for canaries.")]
Mode = Annotated[
    Literal["observe", "manual", "traffic-only", "automatic"],
    typer.Option("--mode", metavar="MODE", help="How much happens without a person: observe, manual, traffic-only or automatic."),
]
Outputs = Annotated[
    list[str] | None,
    typer.Option(
        "--outputs",
        metavar="STACK=FILE",
        help="Exported: `pulumi stack export` or `pulumi stack output --json` of aws, azure, gcp, edge, control; again for each.",
    ),
]
Environment = Annotated[
    str | None, typer.Option("--environment", metavar="NAME", help="Of live stacks, asked by pulumi: dev or prod.")
]
Organization = Annotated[str, typer.Option("--organization", metavar="NAME", help="Of live stacks.")]
Project = Annotated[str, typer.Option("--project", metavar="NAME", help="Of live stacks.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where they go. Default: standard output.")]


@app.callback()
def _group() -> None:
    """Settings of a controller."""


@app.command("from-stacks")
def from_stacks(
    site: Site,
    writer: Writer,
    issuer: Issuer,
    outputs: Outputs = None,
    environment: Environment = None,
    organization: Organization = "organization",
    project: Project = "trimaran",
    issuer_authority: IssuerAuthority = None,
    edge_authority: EdgeAuthority = None,
    client: Client = "",
    scope: Scope = "payments:write",
    currency: Currency = "EUR",
    mode: Mode = "observe",
    out: Out = None,
) -> None:
    """Write the settings of one site's controller from what the stacks tell: live ones, or exported files.

    Passwords stand nowhere in them; files that they name lie on the control node.
    """
    from controller.core.model import Mode as Posture
    from controller.errors import Refused
    from controller.stacks import toml
    from controller.stacks.contract import understood
    from controller.stacks.outputs import Live
    from controller.stacks.settings import Choices, document

    choices = Choices(
        site=site,
        writer=writer,
        mode=Posture(mode),
        issuer=issuer,
        issuer_authority=issuer_authority,
        edge_authority=edge_authority,
        client=client or f"controller-{site}",
        scope=scope,
        currency=currency,
    )
    try:
        stacks = Live(environment=environment, organization=organization, project=project) if environment else None
        text = toml.text(document(understood(_outputs(outputs or [], stacks)), choices))
        if out is not None:
            out.write_text(text, encoding="utf-8")
    except (Refused, OSError, ValueError) as error:
        leave(Ended(Exit.USAGE, str(error)), as_json=False)
    if out is None:
        print(text, end="")
    else:
        print(f"{out}: settings of {site}'s controller", file=sys.stderr)


def _outputs(files: list[str], stacks: "Live | None") -> "Mapping[Stack, Mapping[str, Any]]":
    """Of the stacks that a file is given for, and with an environment of all others. Raises Refused, ValueError."""
    from controller.stacks.contract import Stack
    from controller.stacks.outputs import live, of_one_environment

    given = pairs(files, "--outputs STACK=FILE")
    if unknown := sorted(set(given) - set(Stack)):
        raise ValueError(f"--outputs: expected {', '.join(Stack)}, not {', '.join(unknown)}")
    if not given and stacks is None:
        raise ValueError("expected --environment NAME, of live stacks, or --outputs STACK=FILE for each stack")
    named = {stack: Path(given[stack]) for stack in Stack if stack in given}
    found = of_one_environment(named, None if stacks is None else stacks.environment)
    rest = [stack for stack in Stack if stack not in given] if stacks is not None else []
    return {**found, **{stack: live(stacks, stack) for stack in rest if stacks is not None}}
