-- What the control plane asks a service's ledger, without knowing its tables: is it equal elsewhere, and does it know these keys?

-- Order-free digest of everything that can no longer change: payments of closed epochs and their entries. Two ledgers with equal
-- digests hold the same rows; the sum of 64-bit hashes needs no sort, so it can run beside the load.
-- Rows are hashed as text, and a timestamp's text depends on the zone of whoever asks; so the zone is set here.
CREATE OR REPLACE FUNCTION trimaran.digest(up_to bigint) RETURNS text
LANGUAGE sql STABLE SET timezone = 'UTC' AS $$
    SELECT format('%s payments %s, %s entries %s',
        p.rows, md5(p.hash::text), e.rows, md5(e.hash::text))
    FROM (SELECT count(*) AS rows, coalesce(sum(hashtextextended(payment::text, 0)::numeric), 0) AS hash
          FROM ledger.payment WHERE epoch <= up_to) AS p,
         (SELECT count(*) AS rows, coalesce(sum(hashtextextended(entry::text, 0)::numeric), 0) AS hash
          FROM ledger.entry JOIN ledger.payment ON payment.id = entry.payment WHERE payment.epoch <= up_to) AS e
$$;

CREATE OR REPLACE FUNCTION trimaran.known_keys(keys text[]) RETURNS SETOF text
LANGUAGE sql STABLE AS $$
    SELECT idempotency_key FROM ledger.payment WHERE idempotency_key = ANY (keys)
$$;
