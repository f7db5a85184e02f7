"""What cardholders were told against what the vault's databases hold. Pure: record lines and rows in, findings out.

Nothing here believes the service, its counters or one database's word for another's. No row holds a number or anything that opens one.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from lab.reconcile_vault_rows import Harm, VaultFinding, VaultRows, WrapId
from lab.reconcile_vault_rules import soundness
from lab.reconcile_vault_told import Account, owed, said
from lab.record import Declined, Defect, Failed
from lab.vault_load_record import Erased, ErasureWanted, Line, Revealed, RevealWanted, Tokenized, TokenWanted

LOSSES = (Harm.LOST, Harm.ALTERED)


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultReconciliation:
    """The outcome. Counts are of what the client asked for, so a token missing on two sites is lost once."""

    attempted: int
    acknowledged: int
    tokens: int
    reveals: int
    erasures: int
    """Acknowledged, by kind; together `acknowledged`."""
    refused: int
    """Reveals that were turned away because the subject had been erased, as they had to be."""
    too_late: int = 0
    """Numbers that were turned away because their subject was erased beside them."""
    declined: int
    """Turned away for good for any other reason."""
    unresolved: int
    last_words: Mapping[str, int] = field(default_factory=dict)
    """What the last attempts of those came to, and how many of them: the most frequent first."""
    strangers: int
    """Tokens on some vault that this record never asked for: another run's."""
    harms: Mapping[Harm, int]
    """How many subjects of findings there are, by harm; one that is altered counts as lost too."""
    findings: tuple[VaultFinding, ...]
    digests: Mapping[str, str]
    defects: tuple[str, ...]
    """What the generator said about itself; a run with any proves less than it seems to."""

    @property
    def lost(self) -> int:
        """Acknowledged, and not there as it was acknowledged."""
        return self.harms.get(Harm.LOST, 0)

    @property
    def duplicated(self) -> int:
        """What exists more than once."""
        return self.harms.get(Harm.DUPLICATED, 0)

    @property
    def ledgers_equal(self) -> bool:
        """Do all sites hold the same? False when no vault was read."""
        return len(set(self.digests.values())) == 1

    @property
    def is_wrapped(self) -> bool:
        """Can every cloud open every living data key? As far as it was tried: see `reconcile_vault`."""
        return not self.harms.get(Harm.UNWRAPPED, 0)


def reconcile_vault(
    lines: Iterable[Line], vaults: Mapping[str, VaultRows], clouds: Collection[str], opened: Mapping[WrapId, str] | None = None
) -> VaultReconciliation:
    """Compare one run's record with every site's vault. `clouds`: those that must each have wrapped every living data key. `opened`: what
    came of opening each wrap, empty when it opened; None: nobody has tried, and rows are counted.

    Raises ValueError without a vault: nothing would be proven.
    """
    if not vaults:
        raise ValueError("no vault to compare with")
    account = _read(lines)
    findings = list(said(account))
    for site, vault in sorted(vaults.items()):
        findings += owed(account, site, vault)
        findings += soundness(site, vault, frozenset(clouds), account.erased_subjects(), opened)
    settled = account.told() | account.declined.keys()
    unresolved = account.wanted() - settled
    refused = {key for key in account.declined if account.rightly_refused(key)} - account.told()
    return VaultReconciliation(
        attempted=len(account.wanted()),
        acknowledged=len(account.told()),
        tokens=len(account.tokens),
        reveals=len(account.revealed),
        erasures=len(account.erased),
        refused=len(refused & account.reveals_wanted.keys()),
        too_late=len(refused & account.tokens_wanted.keys()),
        declined=len(account.declined.keys() - refused - account.told()),
        unresolved=len(unresolved),
        last_words=dict(Counter(account.failed.get(key, "nothing was answered yet") for key in unresolved).most_common()),
        strangers=len({token.key for vault in vaults.values() for token in vault.tokens} - account.tokens_wanted.keys()),
        harms=count_harms(findings),
        findings=tuple(findings),
        digests={site: _digest(vault) for site, vault in sorted(vaults.items())},
        defects=tuple(account.defects),
    )


def _read(lines: Iterable[Line]) -> Account:
    account = Account()
    for line in lines:
        match line:
            case TokenWanted():
                account.tokens_wanted[line.key] = line
            case RevealWanted():
                account.reveals_wanted[line.key] = line
            case ErasureWanted():
                account.erasures_wanted[line.key] = line
            case Tokenized():
                account.tokens[line.key].append(line)
            case Revealed():
                account.revealed[line.key].append(line)
            case Erased():
                account.erased[line.key].append(line)
            case Declined():
                account.declined[line.key] = line
            case Failed():
                account.failed[line.key] = line.why
            case Defect():
                account.defects.append(line.what)
            case _:
                pass
    return account


def count_harms(findings: Iterable[VaultFinding]) -> Mapping[Harm, int]:
    """How many subjects of findings there are, by harm."""
    subjects: dict[Harm, set[str]] = defaultdict(set)
    for finding in findings:
        subjects[finding.harm].add(finding.subject)
        if finding.harm in LOSSES:
            subjects[Harm.LOST].add(finding.subject)
    return {harm: len(subjects[harm]) for harm in Harm if harm in subjects}


def _digest(vault: VaultRows) -> str:
    """SHA-256 over all rows and columns of all five tables, whatever the order of rows; equal vaults, equal digests."""
    rows = sorted(repr(row) for table in vault.tables() for row in table)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()
