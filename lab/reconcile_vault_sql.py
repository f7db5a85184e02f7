"""Reads a site's whole vault by SQL, past the service. What is sealed or wrapped leaves the database as a digest only."""

from datetime import timedelta

import psycopg

from lab.reconcile_sql import in_one_snapshot
from lab.reconcile_vault_rows import AccessRow, DataKeyRow, ErasureRow, TokenRow, VaultRows, WrapRow

DATA_KEYS = """
SELECT id::text, subject::text, encode(sha256(key_check), 'hex'), epoch, (created_at AT TIME ZONE 'UTC')::text
FROM vault.data_key"""
WRAPS = "SELECT data_key::text, cloud, kek, encode(sha256(ciphertext), 'hex') FROM vault.wrap"
TOKENS = """
SELECT id::text, idempotency_key::text, encode(sha256(body_digest), 'hex'), data_key::text, kind, encode(sha256(sealed), 'hex'),
       encode(sha256(hint), 'hex'), epoch, (created_at AT TIME ZONE 'UTC')::text
FROM vault.token"""
ACCESSES = "SELECT id::text, token::text, action, caller, reason, epoch, (at AT TIME ZONE 'UTC')::text FROM vault.access"
ERASURES = """
SELECT id::text, data_key::text, subject::text, clouds, encode(wraps_digest, 'hex'), tokens, caller, asked_by, reason, epoch,
       (at AT TIME ZONE 'UTC')::text
FROM vault.erasure"""


async def read_vault(conninfo: str, deadline: timedelta) -> VaultRows:
    """All five tables of one database in one snapshot. Raises as `in_one_snapshot` does."""
    return await in_one_snapshot(conninfo, deadline, _vault)


async def _vault(connection: psycopg.AsyncConnection) -> VaultRows:
    keys = await (await connection.execute(DATA_KEYS)).fetchall()
    wraps = await (await connection.execute(WRAPS)).fetchall()
    tokens = await (await connection.execute(TOKENS)).fetchall()
    accesses = await (await connection.execute(ACCESSES)).fetchall()
    erasures = await (await connection.execute(ERASURES)).fetchall()
    return VaultRows(
        data_keys=tuple(DataKeyRow(id=i, subject=s, check=c, epoch=e, created_at=t) for i, s, c, e, t in keys),
        wraps=tuple(WrapRow(data_key=k, cloud=c, kek=n, ciphertext=w) for k, c, n, w in wraps),
        tokens=tuple(
            TokenRow(id=i, key=k, body=b, data_key=d, kind=n, sealed=s, hint=h, epoch=e, created_at=t)
            for i, k, b, d, n, s, h, e, t in tokens
        ),
        accesses=tuple(AccessRow(id=i, token=k, action=a, caller=c, reason=r, epoch=e, at=t) for i, k, a, c, r, e, t in accesses),
        erasures=tuple(
            ErasureRow(id=i, data_key=k, subject=s, clouds=tuple(c), wraps=w, tokens=n, caller=a, by=b, reason=r, epoch=e, at=t)
            for i, k, s, c, w, n, a, b, r, e, t in erasures
        ),
    )
