-- The payments ledger: double entry, money in integer minor units, every decision about a payment in one call.
-- Run by the control role after the node schema; running it again changes nothing.
--
-- Rules for changing this file: every table has a primary key and no sequence (sequences are not replicated); the service never
-- writes a table, it calls ledger.pay; whatever needs a row of trimaran.node asks trimaran.admit() first.

CREATE SCHEMA IF NOT EXISTS ledger;

CREATE TABLE IF NOT EXISTS ledger.account (
    id                uuid    PRIMARY KEY,
    currency          text    NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    opening_balance   bigint  NOT NULL,
    balance           bigint  NOT NULL,             -- opening_balance plus the sum of the account's entries
    overdraft_allowed boolean NOT NULL,
    epoch             bigint  NOT NULL,             -- reign that opened the account
    CHECK (overdraft_allowed OR balance >= 0)
);

CREATE TABLE IF NOT EXISTS ledger.payment (
    id              uuid   PRIMARY KEY,             -- UUIDv7, made by the service
    idempotency_key text   NOT NULL UNIQUE,         -- for ever: a key never means a second payment
    body_digest     bytea  NOT NULL,                -- SHA-256 of what was asked; the same key with another body is refused
    debtor          uuid   NOT NULL,
    creditor        uuid   NOT NULL CHECK (creditor <> debtor),
    amount          bigint NOT NULL CHECK (amount > 0),
    currency        text   NOT NULL,
    epoch           bigint NOT NULL,                -- reign that admitted the payment
    created_at      timestamptz NOT NULL
);

-- No foreign keys: pay() is the only writer and holds both accounts' rows locked, and a reseed empties the tables in any order.
CREATE TABLE IF NOT EXISTS ledger.entry (
    id      uuid   PRIMARY KEY,
    payment uuid   NOT NULL,
    account uuid   NOT NULL,
    amount  bigint NOT NULL CHECK (amount <> 0)     -- negative leaves the account; one payment's entries sum to zero
);

CREATE INDEX IF NOT EXISTS entry_by_payment ON ledger.entry (payment);

-- Ordinary triggers: they stop clients, also one that writes a table directly, and not replication's apply worker.
CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON ledger.account
    FOR EACH STATEMENT EXECUTE FUNCTION trimaran.guard();
CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON ledger.payment
    FOR EACH STATEMENT EXECUTE FUNCTION trimaran.guard();
CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON ledger.entry
    FOR EACH STATEMENT EXECUTE FUNCTION trimaran.guard();

-- One payment, decided and written in one call. Runs in read committed.
--
-- The answer carries the reign it was decided in (epoch, system identifier, timeline); the caller may show it to nobody before
-- that same reign's barrier has passed the flush position read after COMMIT. That holds for refusals too: they rest on balances
-- and keys that are not yet durable either.
--
-- Order of locks: accounts by id, then the key. A concurrent twin of the same key waits for the first one and is answered
-- `replayed`; two payments between the same accounts in opposite directions cannot deadlock.
CREATE OR REPLACE FUNCTION ledger.pay(
    new_id uuid, key text, digest bytea, debtor uuid, creditor uuid, amount bigint, currency text,
    OUT outcome text, OUT payment_id uuid, OUT payment_epoch bigint, OUT created_at timestamptz,
    OUT epoch bigint, OUT system_identifier bigint, OUT timeline bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    me   trimaran.node;
    seen ledger.payment;
    payer ledger.account;
    payee ledger.account;
BEGIN
    SELECT * INTO me FROM trimaran.admit();
    pay.epoch := me.epoch;
    pay.system_identifier := me.system_identifier;
    pay.timeline := me.timeline;

    -- With a session that commits asynchronously, COMMIT returns before its record is flushed: the flush position read after it
    -- lies below the payment, the barrier passes, and the payment is acknowledged while it exists nowhere.
    PERFORM set_config('synchronous_commit', 'on', true);

    SELECT * INTO seen FROM ledger.payment AS p WHERE p.idempotency_key = pay.key;
    IF NOT FOUND THEN
        PERFORM FROM ledger.account AS a WHERE a.id IN (pay.debtor, pay.creditor) ORDER BY a.id FOR NO KEY UPDATE;
        SELECT * INTO payer FROM ledger.account AS a WHERE a.id = pay.debtor;
        SELECT * INTO payee FROM ledger.account AS a WHERE a.id = pay.creditor;
        -- The twin may have committed while this one waited for the accounts.
        SELECT * INTO seen FROM ledger.payment AS p WHERE p.idempotency_key = pay.key;
    END IF;
    IF seen.id IS NOT NULL THEN
        outcome := CASE WHEN seen.body_digest = pay.digest THEN 'replayed' ELSE 'key_reused' END;
        payment_id := seen.id;
        payment_epoch := seen.epoch;
        created_at := seen.created_at;
        RETURN;
    END IF;

    outcome := CASE
        WHEN payer.id IS NULL THEN 'unknown_debtor'
        WHEN payee.id IS NULL THEN 'unknown_creditor'
        WHEN payer.id = payee.id THEN 'same_account'
        WHEN payer.currency <> pay.currency OR payee.currency <> pay.currency THEN 'currency_mismatch'
        WHEN payer.balance < pay.amount AND NOT payer.overdraft_allowed THEN 'insufficient_funds'
        WHEN payee.balance > 9223372036854775807 - pay.amount OR payer.balance < pay.amount - 9223372036854775807
            THEN 'balance_limit'
        ELSE 'created' END;
    IF outcome <> 'created' THEN
        RETURN;
    END IF;

    payment_id := pay.new_id;
    payment_epoch := me.epoch;
    created_at := clock_timestamp();
    INSERT INTO ledger.payment (id, idempotency_key, body_digest, debtor, creditor, amount, currency, epoch, created_at)
        VALUES (pay.new_id, pay.key, pay.digest, pay.debtor, pay.creditor, pay.amount, pay.currency, me.epoch, pay.created_at)
        ON CONFLICT (idempotency_key) DO NOTHING;
    IF NOT FOUND THEN
        -- The twin names other accounts, so nothing made it wait before. Its row is committed: look once more.
        SELECT * INTO STRICT seen FROM ledger.payment AS p WHERE p.idempotency_key = pay.key;
        outcome := CASE WHEN seen.body_digest = pay.digest THEN 'replayed' ELSE 'key_reused' END;
        payment_id := seen.id;
        payment_epoch := seen.epoch;
        created_at := seen.created_at;
        RETURN;
    END IF;
    INSERT INTO ledger.entry (id, payment, account, amount) VALUES
        (gen_random_uuid(), pay.new_id, pay.debtor, -pay.amount),
        (gen_random_uuid(), pay.new_id, pay.creditor, pay.amount);
    UPDATE ledger.account AS a SET balance = a.balance + CASE WHEN a.id = pay.debtor THEN -pay.amount ELSE pay.amount END
        WHERE a.id IN (pay.debtor, pay.creditor);
END $$;

-- Which of these payments this node holds on its disk, as a member of the ack set of this reign; waits until one is here or patience is
-- over. A service beside a member takes the answer for a confirmation, so everything it rests on is asked in one statement:
-- the row is visible, hence flushed, because the streams commit synchronously; the reign's marker is here, so the row did not come
-- by an older stream alone; and the node runs on its pinned timeline, so no in-cloud failover can have taken it back.
CREATE OR REPLACE FUNCTION ledger.await_held(reign bigint, ids uuid[], patience interval) RETURNS uuid[]
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    give_up timestamptz := clock_timestamp() + patience;
    held    uuid[];
BEGIN
    LOOP
        SELECT coalesce(array_agg(p.id), '{}') INTO held
        FROM ledger.payment AS p
        WHERE p.id = ANY (ids)
          AND EXISTS (SELECT FROM trimaran.marker AS m WHERE m.kind = 'epoch' AND m.epoch = reign)
          AND EXISTS (SELECT FROM trimaran.node AS n, trimaran.identity() AS i
                      WHERE (i.system_identifier, i.timeline) = (n.system_identifier, n.timeline));
        EXIT WHEN held <> '{}' OR clock_timestamp() >= give_up;
        PERFORM pg_sleep(0.0005);
    END LOOP;
    RETURN held;
END $$;

-- Found an account on the writer. Repeating the call is fine; repeating it with other terms is an error.
CREATE OR REPLACE FUNCTION ledger.open_account(id uuid, currency text, opening_balance bigint, overdraft_allowed boolean)
RETURNS void LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO ledger.account (id, currency, opening_balance, balance, overdraft_allowed, epoch)
        SELECT open_account.id, open_account.currency, open_account.opening_balance, open_account.opening_balance,
               open_account.overdraft_allowed, me.epoch
        FROM trimaran.admit() AS me
        ON CONFLICT (id) DO NOTHING;
    PERFORM FROM ledger.account AS a
        WHERE a.id = open_account.id AND a.currency = open_account.currency
          AND a.opening_balance = open_account.opening_balance AND a.overdraft_allowed = open_account.overdraft_allowed;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'account % exists with other terms', open_account.id USING ERRCODE = 'TR005';
    END IF;
END $$;

REVOKE ALL ON FUNCTION ledger.pay, ledger.await_held, ledger.open_account FROM PUBLIC;

-- The service decides nothing by itself: it may look, and call pay().
GRANT USAGE ON SCHEMA ledger, trimaran TO payments_app, payments_stream;
GRANT SELECT ON ledger.account, ledger.payment, ledger.entry TO payments_app, payments_stream;
GRANT SELECT ON trimaran.node TO payments_app;
GRANT SELECT ON trimaran.marker TO payments_stream;
GRANT EXECUTE ON FUNCTION ledger.pay, ledger.await_held TO payments_app;
