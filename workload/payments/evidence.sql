-- What the control plane asks a service's ledger, without knowing its tables: is it equal elsewhere, and what does it hold
-- that another one lacks?

-- Order-free digest of everything that can no longer change: what closed epochs wrote. Two ledgers with equal digests hold the same rows of
-- every table below; the sum of 64-bit hashes needs no sort, so it can run beside the load. What is not below changes with the epochs
-- after it: `tests/unit/workload/payments/test_evidence.py` names it, each with its reason.
--
-- Columns are named: while a migration is on its way, nodes differ by columns that say nothing of rows, and a failover in that hour would
-- be told that ledgers differ. A table that a node has not yet is an empty one, for the same reason. Rows are hashed as text, which depends
-- on the settings of whoever asks; so they are set here.
--
-- A held payment's fate counts from the epoch in which it was decided, and what an erasure came to from the one in which it ended. Of a
-- source nothing counts that an erasure takes away. Events are swept days after they were delivered, so only those near the last closed
-- epoch's end count: none of them goes between two looks.
CREATE OR REPLACE FUNCTION trimaran.digest(up_to bigint) RETURNS text
LANGUAGE plpgsql STABLE
SET timezone = 'UTC' SET datestyle = 'ISO' SET bytea_output = 'hex' SET extra_float_digits = 1 AS $$
DECLARE
    part  record;
    many  bigint;
    hash  numeric;
    parts text[] := '{}';
BEGIN
    FOR part IN SELECT * FROM (VALUES
        ('accounts', 'ledger.account', 'id, currency, opening_balance, overdraft_allowed, epoch', 'epoch <= $1'),
        ('payments', 'ledger.payment',
         'id, idempotency_key, body_digest, debtor, creditor, amount, currency, epoch, created_at', 'epoch <= $1'),
        ('entries', 'ledger.entry', 'id, payment, account, amount',
         'payment IN (SELECT p.id FROM ledger.payment AS p WHERE p.epoch <= $1)'),
        ('held', 'ledger.held',
         'id, idempotency_key, body_digest, debtor, creditor, amount, currency, score, reasons, epoch, created_at,'
         ' CASE WHEN decided_epoch <= $1 THEN ROW(state, decided_by, decided_because, decided_at, decided_epoch)::text END',
         'epoch <= $1'),
        ('sources', 'ledger.source', 'payment, epoch', 'epoch <= $1'),
        ('erasures', 'ledger.erasure',
         'id, subject_digest, caller, reason, epoch, at,'
         ' CASE WHEN ended_epoch <= $1 THEN ROW(accounts, profiles, sources, ended_at, ended_epoch)::text END', 'epoch <= $1'),
        ('events', 'outbox.event', 'id, account, sequence, kind, payment, body, epoch, created_at',
         'epoch <= $1 AND created_at >='
         ' (SELECT max(p.created_at) - interval ''1 hour'' FROM ledger.payment AS p WHERE p.epoch <= $1)')
    ) AS v (noun, place, columns, closed) LOOP
        many := 0;
        hash := 0;
        IF to_regclass(part.place) IS NOT NULL THEN
            EXECUTE format('SELECT count(*), coalesce(sum(hashtextextended(ROW(%s)::text, 0)::numeric), 0) FROM %s WHERE %s',
                           part.columns, part.place, part.closed) INTO many, hash USING up_to;
        END IF;
        parts := parts || format('%s %s %s', many, part.noun, md5(hash::text));
    END LOOP;
    RETURN array_to_string(parts, ', ');
END $$;

-- What a ledger holds, a page at a time, in the order of keys. Payments alone: what waits for a person, a reviewer's word and the proof of an
-- erasure that only a node has which lost its reign were told to nobody, moved no money, and are asked for again; they are gone with it.
CREATE OR REPLACE FUNCTION trimaran.held_payments(after text, most integer) RETURNS TABLE (idempotency_key text, id text)
LANGUAGE sql STABLE AS $$
    SELECT p.idempotency_key, p.id::text FROM ledger.payment AS p
    WHERE p.idempotency_key > after ORDER BY p.idempotency_key LIMIT most
$$;

-- Which of these payments a ledger lacks; superseded: it knows the key, by another payment or by one that waits for a person or was turned
-- down. Made good by hand, a payment of such a key is made twice as soon as it is approved.
CREATE OR REPLACE FUNCTION trimaran.lacking_payments(keys text[], ids text[]) RETURNS TABLE (idempotency_key text, superseded boolean)
LANGUAGE sql STABLE AS $$
    SELECT asked.key, p.id IS NOT NULL OR EXISTS (SELECT FROM ledger.held AS h WHERE h.idempotency_key = asked.key)
    FROM unnest(keys, ids) AS asked (key, id) LEFT JOIN ledger.payment AS p ON p.idempotency_key = asked.key
    WHERE p.id::text IS DISTINCT FROM asked.id
$$;

-- Everything about these payments, for a person.
CREATE OR REPLACE FUNCTION trimaran.described_payments(keys text[]) RETURNS TABLE (idempotency_key text, epoch bigint, body jsonb)
LANGUAGE sql STABLE AS $$
    SELECT p.idempotency_key, p.epoch, to_jsonb(p) FROM ledger.payment AS p WHERE p.idempotency_key = ANY (keys)
$$;
