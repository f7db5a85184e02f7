-- What the control plane asks a service's ledger, without knowing its tables: is it equal elsewhere, and what does it hold
-- that another one lacks?

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

-- What a ledger holds, a page at a time, in the order of keys.
CREATE OR REPLACE FUNCTION trimaran.held_payments(after text, most integer) RETURNS TABLE (idempotency_key text, id text)
LANGUAGE sql STABLE AS $$
    SELECT p.idempotency_key, p.id::text FROM ledger.payment AS p
    WHERE p.idempotency_key > after ORDER BY p.idempotency_key LIMIT most
$$;

-- Which of these payments a ledger lacks; superseded: it has another payment of the key.
CREATE OR REPLACE FUNCTION trimaran.lacking_payments(keys text[], ids text[]) RETURNS TABLE (idempotency_key text, superseded boolean)
LANGUAGE sql STABLE AS $$
    SELECT asked.key, p.id IS NOT NULL
    FROM unnest(keys, ids) AS asked (key, id) LEFT JOIN ledger.payment AS p ON p.idempotency_key = asked.key
    WHERE p.id::text IS DISTINCT FROM asked.id
$$;

-- Everything about these payments, for a person.
CREATE OR REPLACE FUNCTION trimaran.described_payments(keys text[]) RETURNS TABLE (idempotency_key text, epoch bigint, body jsonb)
LANGUAGE sql STABLE AS $$
    SELECT p.idempotency_key, p.epoch, to_jsonb(p) FROM ledger.payment AS p WHERE p.idempotency_key = ANY (keys)
$$;
