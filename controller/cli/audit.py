"""`trimaran audit`: is the journal what it was? Asked of the controllers, or of an export without asking anybody."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli.exits import Ended, Exit
from controller.cli.options import ContextFile, Json, Service, leave, with_controllers

if TYPE_CHECKING:
    from controller.audit.evidence import Evidence, Judgement
    from controller.audit.keys import PublicKey
    from controller.audit.raw import Raw
    from controller.coordination.chain import End

app = typer.Typer(help="The journal's proof.", no_args_is_help=True)

ExportFile = Annotated[
    Path | None, typer.Argument(metavar="FILE", help="An export; nobody is asked then. Without it the controllers are.")
]
KeysFile = Annotated[
    Path | None,
    typer.Option(
        "--keys", metavar="FILE", help="Public keys to prove by: TOML with [[audit.keys]]. Default: those that controllers name."
    ),
]
AnchorFiles = Annotated[
    list[Path] | None,
    typer.Option("--anchor", metavar="FILE", help="Heads that were anchored, one a line; more than one file may be."),
]
Expected = Annotated[
    list[str] | None, typer.Option("--expect", metavar="N:DIGEST", help="An end remembered from before; it must be in the chain.")
]
Lost = Annotated[
    list[str] | None,
    typer.Option(
        "--lost",
        metavar="N:DIGEST",
        help="End of a journal that is known to have been lost: what belongs to it is no contradiction.",
    ),
]
OutFile = Annotated[Path, typer.Option("--out", metavar="FILE", help="A new file.")]
KeyFile = Annotated[Path, typer.Argument(metavar="FILE", help="The private key, PEM; made where there is none.")]
Site = Annotated[str, typer.Option("--site", metavar="SITE", help="Whose controller signs with it.")]


@app.callback()
def _group() -> None:
    """The journal's proof."""


@app.command("verify")
def verify(
    file: ExportFile = None,
    context: ContextFile = None,
    service: Service = None,
    keys: KeysFile = None,
    anchor: AnchorFiles = None,
    expect: Expected = None,
    lost: Lost = None,
    as_json: Json = False,
) -> None:
    """Prove that no entry of the journal was changed, removed, reordered, inserted, cut off or forked.

    The chain, the three sites' copies, and every signed head must agree. Exit 0: they do; 1: they do not, and the first line says what is
    wrong and where; 12: nothing contradicts, and somebody who should speak for it does not.
    """
    from controller.audit.judge import judge
    from controller.audit.raw import evidence_of

    try:
        own_keys, anchored = _keys(keys), [line for path in anchor or () for line in _lines(path, "--anchor")]
        forgiven, expected = _ends(lost, "--lost"), _ends(expect, "--expect")
        raw = _exported(file) if file is not None else _gathered(context, service, as_json=as_json)
    except Ended as end:
        leave(end, as_json=as_json)
    evidence = evidence_of(raw, own_keys=own_keys, anchored=anchored)
    judged = judge(evidence, lost=forgiven, expected=expected)
    weak = [
        *judged.weak,
        *(["no public key is known: nothing but the chain and the copies speaks for it"] * _keyless(evidence, file)),
    ]
    if as_json:
        print(json.dumps(document(evidence, judged, weak), indent=2))
    else:
        _say(evidence, judged, weak)
    raise typer.Exit(Exit.BROKEN if judged.findings else Exit.UNTOLD if weak else Exit.DONE)


@app.command("export")
def export(out: OutFile, context: ContextFile = None, service: Service = None) -> None:
    """Write journal, copies, signed heads, receipts and public keys to a file that can be verified anywhere."""
    from controller.audit.file import write

    try:
        raw = _gathered(context, service, as_json=False)
        count = write(raw, out)
    except OSError as error:
        leave(Ended(Exit.USAGE, f"{out}: expected a new file that can be written: {error.strerror}"), as_json=False)
    except Ended as end:
        leave(end, as_json=False)
    print(
        f"{out}: {count} lines, {len(raw.journal)} entries of {raw.service}, copies of {', '.join(sorted(raw.said)) or 'nobody'}"
    )
    for who, why in sorted(raw.silent.items()):
        print(f"not in it: {who}: {why}", file=sys.stderr)
    raise typer.Exit(Exit.UNTOLD if raw.silent else Exit.DONE)


@app.command("key")
def key(file: KeyFile, site: Site) -> None:
    """Make a controller's private key, and print what is to be added to every controller's settings; of one that is there, print that."""
    from controller.audit.signer import Signer, make_private, read_private
    from controller.settings_audit import public_line

    try:
        private = read_private(file) if file.exists() else make_private(file)
    except (OSError, ValueError) as error:
        leave(Ended(Exit.USAGE, f"{file}: expected PEM of an Ed25519 key, or a new file: {error}"), as_json=False)
    print(public_line(site, Signer(controller=site, private=private).public))


def document(evidence: "Evidence", judged: "Judgement", weak: Sequence[str]) -> Any:
    """All of it, for machines."""
    return {
        "holds": not judged.findings,
        "entries": len(evidence.journal),
        "digest": judged.end.digest,
        "broken": str(judged.findings[0]) if judged.findings else None,
        "findings": [
            {"sequence": one.sequence, "wrong": str(one.wrong), "place": one.place, "detail": one.detail}
            for one in judged.findings
        ],
        "weak": list(weak),
        "signed": {
            one.controller: {"sequence": one.sequence, "at": one.at.isoformat(), "heads": one.heads} for one in judged.stands
        },
        "copies": {one.name: one.entries[-1].sequence for one in evidence.copies if one.entries},
    }


def _say(evidence: "Evidence", judged: "Judgement", weak: Sequence[str]) -> None:
    for one in judged.findings:
        print(one, file=sys.stderr)
    if not judged.findings:
        print(f"{len(evidence.journal)} entries hold; the last is {judged.end.sequence}:{judged.end.digest}")
        signed = [f"{one.controller} up to {one.sequence} ({one.at.isoformat(timespec='seconds')})" for one in judged.stands]
        print(f"signed by {', '.join(signed)}" if signed else "signed by nobody: whoever can write to etcd can write another one")
    for sentence in weak:
        print(f"not proven: {sentence}", file=sys.stderr)


def _gathered(context: Path | None, service: str | None, *, as_json: bool) -> "Raw":
    from controller.cli.gather import gather

    return with_controllers(context, service, gather, as_json=as_json)


def _exported(path: Path) -> "Raw":
    from controller.audit.file import NoExport, read

    try:
        return read(path)
    except OSError as error:
        raise Ended(Exit.USAGE, f"{path}: expected a readable file: {error.strerror}") from error
    except NoExport as error:
        raise Ended(Exit.USAGE, f"{path}: expected an export of trimaran audit: {error}") from error


def _keyless(evidence: "Evidence", file: Path | None) -> bool:
    """Of an export it is said: keys and heads can be taken out of a file by anybody. A lab may have none."""
    return file is not None and not evidence.ring.keys


def _keys(path: Path | None) -> "Sequence[PublicKey] | None":
    if path is None:
        return None
    import tomllib

    from controller.audit.raw import key_of

    try:
        found = tomllib.loads("\n".join(_lines(path, "--keys")))["audit"]["keys"]
        return [key_of(item) for item in found]
    except (ValueError, KeyError, TypeError) as error:
        raise Ended(Exit.USAGE, f"--keys: {path}: expected TOML with [[audit.keys]]: {error}") from error


def _lines(path: Path, option: str) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError as error:
        raise Ended(Exit.USAGE, f"{option}: {path}: expected a readable file: {error.strerror}") from error


def _ends(given: list[str] | None, option: str) -> "list[End]":
    from controller.coordination.chain import End

    found = []
    for text in given or ():
        number, _, digest = text.partition(":")
        if not (number.isascii() and number.isdigit()) or not digest:
            raise Ended(Exit.USAGE, f"{option}: expected N:DIGEST as printed by an earlier run, not {text!r}")
        found.append(End(sequence=int(number), digest=digest))
    return found
