"""The half of `trimaran bootstrap` that fills the sites' places for secrets: options, what is prepared of them, what is told."""

import os
import sys
import tomllib
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli.schema import pairs

if TYPE_CHECKING:
    from controller.filling.fill import Outcome, Stores
    from controller.filling.orders import Means, Order, Wishes
    from controller.filling.places import Estate
    from controller.settings_clouds import CloudsTable
    from controller.stacks.contract import Stack

AuthorityPlace = Annotated[
    Path | None,
    typer.Option(
        "--authority",
        metavar="DIR",
        help="Private authorities of this environment; made when it is not there. Whoever reads it can be anybody: keep it offline.",
    ),
]
GivenPlace = Annotated[
    Path | None,
    typer.Option("--given", metavar="DIR", help="Files to be put into places: SITE/READER/FILE, or READER/FILE for all sites."),
]
Renew = Annotated[bool, typer.Option("--renew", help="Replace certificates of which less than a third of their life is left.")]
Rotate = Annotated[
    list[str] | None,
    typer.Option("--rotate", metavar="PLACE", help="Replace what is in READER/NAME, or in SITE:READER/NAME; again for each."),
]
Replace = Annotated[
    list[str] | None,
    typer.Option(
        "--replace",
        metavar="AUTHORITY=STEP",
        help="Put a successor in the place of fleet, sites, clients or etcd: trust, then issue, then forget; each may be repeated.",
    ),
]
Restarted = Annotated[
    bool,
    typer.Option(
        "--restarted", help="Say that whoever reads what the step of --replace before this one changed was started since."
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the command line says about secrets."""

    outputs: tuple[str, ...] = ()
    environment: str | None = None
    organization: str = "organization"
    project: str = "trimaran"
    authority: Path | None = None
    given: Path | None = None
    renew: bool = False
    rotate: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()
    restarted: bool = False

    @property
    def names_stacks(self) -> bool:
        """Without them nobody knows where the places are."""
        return bool(self.outputs or self.environment)

    @property
    def unasked(self) -> tuple[str, ...]:
        """Options that mean nothing when no secrets are filled."""
        named = {"--authority": self.authority, "--given": self.given, "--renew": self.renew, "--rotate": self.rotate}
        named |= {"--replace": self.replace, "--restarted": self.restarted}
        return tuple(name for name, value in named.items() if value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """Everything that filling needs; nothing was asked or made yet."""

    estate: "Estate"
    stores: "Stores"
    means: "Means" = field(repr=False)
    wishes: "Wishes"


def prepared(settings: Path, given: Given) -> Filling:
    """Raises Refused, SettingsError, ValueError."""
    from datetime import UTC, datetime

    from controller.filling.given import GivenFiles
    from controller.filling.orders import Means, variables
    from controller.filling.places import understood
    from controller.filling.whose import Whose
    from controller.issuing.archive import Archive
    from controller.wiring_secrets import secret_stores

    if given.authority is None:
        raise ValueError("expected --authority DIR, where this environment's authorities lie or are to be made")
    if given.environment is None:
        raise ValueError("expected --environment NAME, whose secrets these are: files of outputs do not say")
    wishes, clouds = _wishes(given), _clouds(settings)
    stores = secret_stores(clouds)
    estate = understood(_outputs(given), Whose.of(clouds, given.environment))
    archive = Archive(given.authority, estate.domain, lambda: datetime.now(UTC))
    archive.check()
    passwords = {name: found for name in variables(estate.places) if (found := os.environ.get(name))}
    means = Means(archive=archive, given=GivenFiles(given.given, estate.domain), passwords=passwords, now=datetime.now(UTC))
    return Filling(estate=estate, stores=stores, means=means, wishes=wishes)


def _wishes(given: Given) -> "Wishes":
    """Raises ValueError."""
    from controller.filling.orders import Wishes
    from controller.issuing.archive import Issuer
    from controller.issuing.succession import STEPS, Stage

    asked = pairs(list(given.replace), "--replace AUTHORITY=STEP")
    if wrong := [f"{name}={step}" for name, step in asked.items() if name not in set(Issuer) or step not in STEPS]:
        raise ValueError(f"--replace: expected {', '.join(Issuer)} = {', '.join(STEPS)}, not {', '.join(wrong)}")
    steps = {Issuer(name): Stage(step) for name, step in asked.items()}
    return Wishes(renew=given.renew, rotate=frozenset(given.rotate), replace=steps, restarted=given.restarted)


def alone(filling: "Filling | None") -> AbstractContextManager[None]:
    """Nobody else fills from that directory meanwhile. Raises Refused when somebody does."""
    return nullcontext() if filling is None else filling.means.archive.locked()


async def decided(filling: Filling) -> "tuple[Order, ...]":
    """What would be done. Raises Refused, ProviderError."""
    from controller.filling.fill import look
    from controller.filling.objections import orders

    return orders(await look(filling.estate, filling.stores), filling.wishes, filling.means)


async def filled(filling: Filling, wanted: "tuple[Order, ...]", *, quiet: bool) -> dict[str, int]:
    """Carry it out. Raises ProviderError, Stuck."""
    from controller.errors import Stuck
    from controller.filling.fill import carry_out

    def tell(order: "Order") -> None:
        print(f"secrets {order.seen.place}: {_said(order)}", file=sys.stderr if quiet else sys.stdout, flush=True)

    outcome = await carry_out(wanted, filling.stores, filling.means, tell, wishes=filling.wishes)
    if outcome.overtaken:
        raise Stuck(
            step=f"filling {', '.join(outcome.overtaken)}",
            blocked_by="somebody else, who was faster",
            way_out="Agree who fills. What is there now is not from this directory; --rotate replaces it",
        )
    return told(outcome)


def told(outcome: "Outcome") -> dict[str, int]:
    """For machines."""
    return {"filled": outcome.filled, "replaced": outcome.replaced, "found_filled": outcome.found_filled}


def shown(wanted: "tuple[Order, ...]") -> list[dict[str, str]]:
    """The plan, which has no secret in it: of each place what becomes of it, and where that comes from."""
    return [
        {
            "site": one.seen.place.site,
            "place": one.seen.place.name,
            "id": one.seen.id,
            "deed": str(one.deed),
            "from": str(one.seen.place.source),
        }
        for one in wanted
    ]


def _said(order: "Order") -> str:
    from controller.filling.orders import Deed

    words = {Deed.FILL: "filled", Deed.RENEW: "renewed", Deed.ROTATE: "replaced", Deed.LEAVE: "was filled before"}
    return words[order.deed]


def _outputs(given: Given) -> "Mapping[Stack, Mapping[str, Any]]":
    """Of the stacks that a file is given for, and with an environment of all others. Raises Refused, ValueError."""
    from controller.filling.places import READ
    from controller.stacks.outputs import Live, live, of_one_environment

    files = pairs(list(given.outputs), "--outputs STACK=FILE")
    if unknown := sorted(set(files) - set(READ)):
        raise ValueError(f"--outputs: expected {', '.join(READ)}, not {', '.join(unknown)}")
    found = of_one_environment({stack: Path(files[stack]) for stack in READ if stack in files}, given.environment)
    if given.environment is None:
        return found
    stacks = Live(environment=given.environment, organization=given.organization, project=given.project)
    return {**found, **{stack: live(stacks, stack) for stack in READ if stack not in files}}


def _clouds(path: Path) -> "CloudsTable":
    """`[clouds]` alone: the rest of the file is about databases and nodes that may not be there yet. Raises SettingsError."""
    from pydantic import ValidationError

    from controller.errors import SettingsError, SettingsProblem
    from controller.settings_clouds import CloudsTable
    from controller.settings_policy import problems
    from controller.settings_rules import contradictory

    try:
        clouds = tomllib.loads(path.read_text(encoding="utf-8")).get("clouds", {})
        table = CloudsTable.model_validate(clouds)
        wrong = [*contradictory({"clouds": clouds})]
    except OSError as error:
        wrong = [("(file)", f"a readable file: {error.strerror}")]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        wrong = [("(file)", f"TOML in UTF-8: {error}")]
    except ValidationError as error:
        wrong = [(f"clouds.{key}", expected) for key, expected in problems(error)]
    if wrong:
        raise SettingsError([SettingsProblem(file=str(path), key=key, expected=expected) for key, expected in wrong])
    return table
