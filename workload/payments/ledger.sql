-- The payments ledger: double entry, money in integer minor units, every decision about a payment in one call.
-- Run by the control role after the node schema; running it again changes nothing.
--
-- Rules for changing this file: every table has a primary key and no sequence (sequences are not replicated); the service never
-- writes a table, it calls ledger.pay, hold or review; whatever needs a row of trimaran.node asks trimaran.admit() first.

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

-- What is usual for an account that pays: medians and spreads of logarithms, kept by ledger.learn. Derived, never shown as a fact.
CREATE TABLE IF NOT EXISTS ledger.profile (
    account       uuid PRIMARY KEY,
    weight        double precision NOT NULL,        -- payments that it stands for, old ones forgotten
    amount_median double precision NOT NULL,
    amount_spread double precision NOT NULL,        -- median absolute deviation
    pace_median   double precision NOT NULL,
    pace_spread   double precision NOT NULL,
    recent        double precision NOT NULL,        -- payments of late, each counted half after ten minutes
    last_at       timestamptz NOT NULL
);

-- Payments that wait for a person. Their money is not reserved: a reservation would let a thief who is noticed block the account of
-- whom he robs, for as long as nobody looks. So the balance is looked at again when the payment is approved, and may not suffice then.
CREATE TABLE IF NOT EXISTS ledger.held (
    id              uuid   PRIMARY KEY,             -- and the payment's own, once it is approved
    idempotency_key text   NOT NULL UNIQUE,         -- never in ledger.payment too, unless approved
    body_digest     bytea  NOT NULL,
    debtor          uuid   NOT NULL,
    creditor        uuid   NOT NULL,
    amount          bigint NOT NULL CHECK (amount > 0),
    currency        text   NOT NULL,
    score           double precision NOT NULL,
    reasons         text[] NOT NULL,
    epoch           bigint NOT NULL,                -- reign that held it
    created_at      timestamptz NOT NULL,
    state           text   NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'approved', 'rejected')),
    decided_by      text,
    decided_because text,
    decided_at      timestamptz,
    decided_epoch   bigint,
    CHECK (num_nulls(decided_by, decided_because, decided_at, decided_epoch) = CASE WHEN state = 'held' THEN 4 ELSE 0 END)
);

CREATE INDEX IF NOT EXISTS held_open ON ledger.held (id) WHERE state = 'held';

-- Labels: how long, where, and what of.
COMMENT ON TABLE ledger.account IS 'retention=forever residency=any contains=personal: accounts and their balances';
COMMENT ON TABLE ledger.payment IS 'retention=forever residency=any contains=personal: who paid whom; a key never means a second payment';
COMMENT ON TABLE ledger.entry IS 'retention=forever residency=any contains=personal: the books';
COMMENT ON TABLE ledger.profile IS 'retention=400d by=last_at residency=any contains=personal: what is usual for an account';
COMMENT ON TABLE ledger.held IS 'retention=forever residency=any contains=personal: payments that a person had to look at, and their word';

-- Ordinary triggers: they stop clients, also one that writes a table directly, and not replication's apply worker.
CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON ledger.account
    FOR EACH STATEMENT EXECUTE FUNCTION trimaran.guard();
CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON ledger.payment
    FOR EACH STATEMENT EXECUTE FUNCTION trimaran.guard();
CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON ledger.entry
    FOR EACH STATEMENT EXECUTE FUNCTION trimaran.guard();
CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON ledger.profile
    FOR EACH STATEMENT EXECUTE FUNCTION trimaran.guard();
CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON ledger.held
    FOR EACH STATEMENT EXECUTE FUNCTION trimaran.guard();

-- What is known of a key, at most one row: a completed payment, or one that is or was held.
CREATE OR REPLACE FUNCTION ledger.known(key text, digest bytea)
RETURNS TABLE (outcome text, id uuid, epoch bigint, created_at timestamptz)
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p.body_digest = known.digest THEN 'replayed' ELSE 'key_reused' END, p.id, p.epoch, p.created_at
    FROM ledger.payment AS p WHERE p.idempotency_key = known.key
    UNION ALL
    SELECT CASE WHEN h.body_digest <> known.digest THEN 'key_reused' WHEN h.state = 'held' THEN 'still_held' ELSE h.state END,
           h.id, h.epoch, h.created_at
    FROM ledger.held AS h WHERE h.idempotency_key = known.key AND h.state <> 'approved'
$$;

-- Why these accounts cannot make this payment now; null when they can. Both are locked.
CREATE OR REPLACE FUNCTION ledger.objection(debtor uuid, creditor uuid, amount bigint, currency text) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    payer ledger.account;
    payee ledger.account;
BEGIN
    SELECT * INTO payer FROM ledger.account AS a WHERE a.id = objection.debtor;
    SELECT * INTO payee FROM ledger.account AS a WHERE a.id = objection.creditor;
    RETURN CASE
        WHEN payer.id IS NULL THEN 'unknown_debtor'
        WHEN payee.id IS NULL THEN 'unknown_creditor'
        WHEN payer.id = payee.id THEN 'same_account'
        WHEN payer.currency <> objection.currency OR payee.currency <> objection.currency THEN 'currency_mismatch'
        WHEN payer.balance < objection.amount AND NOT payer.overdraft_allowed THEN 'insufficient_funds'
        WHEN payee.balance > 9223372036854775807 - objection.amount OR payer.balance < objection.amount - 9223372036854775807
            THEN 'balance_limit'
        END;
END $$;

-- The debtor's habits with one more payment: detection/profile.py in SQL, and to be changed only with it. The debtor's
-- account is locked by whoever pays, so this row is waited for by nobody.
CREATE OR REPLACE FUNCTION ledger.learn(account uuid, amount bigint, moment timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    f    ledger.profile;
    idle double precision;
    paid double precision := ln(learn.amount::double precision);
    pace double precision;
BEGIN
    SELECT * INTO f FROM ledger.profile AS p WHERE p.account = learn.account;
    IF NOT FOUND THEN
        INSERT INTO ledger.profile (account, weight, amount_median, amount_spread, pace_median, pace_spread, recent, last_at)
            VALUES (learn.account, 1, paid, 0.7, 0, 0.7, 1, learn.moment);
        RETURN;
    END IF;
    -- A writer's clock may be behind that of the one before. Powers are bounded: 2^-2000 is an error here, and an account that
    -- rested for a week could never pay again.
    idle := greatest(extract(epoch FROM learn.moment - f.last_at)::double precision, 0);
    f.weight := least(f.weight * power(2::double precision, -least(idle / 15552000, 60)), 63) + 1;
    f.recent := f.recent * power(2::double precision, -least(idle / 600, 60)) + 1;
    pace := ln(f.recent);
    UPDATE ledger.profile AS p SET
        weight = f.weight,
        recent = f.recent,
        last_at = learn.moment,
        amount_median = p.amount_median + 1.858 * p.amount_spread / f.weight * sign(paid - p.amount_median),
        amount_spread = least(greatest(
            p.amount_spread * exp(1.167 / f.weight * sign(abs(paid - p.amount_median) - p.amount_spread)), 0.2), 10),
        pace_median = p.pace_median + 1.858 * p.pace_spread / f.weight * sign(pace - p.pace_median),
        pace_spread = least(greatest(
            p.pace_spread * exp(1.167 / f.weight * sign(abs(pace - p.pace_median) - p.pace_spread)), 0.12), 10)
        WHERE p.account = learn.account;
END $$;

-- Write a payment that nothing speaks against. Its accounts and its key are locked, and the key is nobody's yet.
CREATE OR REPLACE FUNCTION ledger.carry_out(
    reign bigint, new_id uuid, key text, digest bytea, debtor uuid, creditor uuid, amount bigint, currency text, moment timestamptz)
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO ledger.payment (id, idempotency_key, body_digest, debtor, creditor, amount, currency, epoch, created_at)
        VALUES (carry_out.new_id, carry_out.key, carry_out.digest, carry_out.debtor, carry_out.creditor, carry_out.amount,
                carry_out.currency, carry_out.reign, carry_out.moment);
    INSERT INTO ledger.entry (id, payment, account, amount) VALUES
        (gen_random_uuid(), carry_out.new_id, carry_out.debtor, -carry_out.amount),
        (gen_random_uuid(), carry_out.new_id, carry_out.creditor, carry_out.amount);
    UPDATE ledger.account AS a
        SET balance = a.balance + CASE WHEN a.id = carry_out.debtor THEN -carry_out.amount ELSE carry_out.amount END
        WHERE a.id IN (carry_out.debtor, carry_out.creditor);
    PERFORM ledger.learn(carry_out.debtor, carry_out.amount, carry_out.moment);
END $$;

-- One payment, decided and written in one call. Runs in read committed.
--
-- The answer carries the reign it was decided in (epoch, system identifier, timeline); the caller may show it to nobody before
-- that same reign's barrier has passed the flush position read after COMMIT. That holds for refusals too: they rest on balances
-- and keys that are not yet durable either.
--
-- Order of locks, here and below: accounts by id, then the key. A concurrent twin of the same key waits for the first one and is
-- answered `replayed`; two payments between the same accounts in opposite directions cannot deadlock. The key is locked by itself
-- because two tables have keys: one twin is paid while the other is held, a reviewer approves, and a client that was told "paid"
-- and one that was told "held" both hold a receipt for the one key.
CREATE OR REPLACE FUNCTION ledger.pay(
    new_id uuid, key text, digest bytea, debtor uuid, creditor uuid, amount bigint, currency text,
    OUT outcome text, OUT payment_id uuid, OUT payment_epoch bigint, OUT created_at timestamptz,
    OUT epoch bigint, OUT system_identifier bigint, OUT timeline bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    me trimaran.node;
BEGIN
    SELECT * INTO me FROM trimaran.admit();
    pay.epoch := me.epoch;
    pay.system_identifier := me.system_identifier;
    pay.timeline := me.timeline;

    -- With a session that commits asynchronously, COMMIT returns before its record is flushed: the flush position read after it
    -- lies below the payment, the barrier passes, and the payment is acknowledged while it exists nowhere.
    PERFORM set_config('synchronous_commit', 'on', true);

    SELECT k.outcome, k.id, k.epoch, k.created_at INTO outcome, payment_id, payment_epoch, created_at
        FROM ledger.known(pay.key, pay.digest) AS k;
    IF FOUND THEN
        RETURN;
    END IF;
    PERFORM FROM ledger.account AS a WHERE a.id IN (pay.debtor, pay.creditor) ORDER BY a.id FOR NO KEY UPDATE;
    PERFORM pg_advisory_xact_lock(hashtextextended(pay.key, 0));
    -- The twin may have committed while this one waited.
    SELECT k.outcome, k.id, k.epoch, k.created_at INTO outcome, payment_id, payment_epoch, created_at
        FROM ledger.known(pay.key, pay.digest) AS k;
    IF FOUND THEN
        RETURN;
    END IF;

    outcome := ledger.objection(pay.debtor, pay.creditor, pay.amount, pay.currency);
    IF outcome IS NOT NULL THEN
        RETURN;
    END IF;
    outcome := 'created';
    payment_id := pay.new_id;
    payment_epoch := me.epoch;
    created_at := clock_timestamp();
    PERFORM ledger.carry_out(
        me.epoch, pay.new_id, pay.key, pay.digest, pay.debtor, pay.creditor, pay.amount, pay.currency, pay.created_at);
END $$;

-- One payment, kept for a person instead of being made. Everything said of ledger.pay holds here; what could not be paid anyway is
-- refused at once, and troubles nobody.
CREATE OR REPLACE FUNCTION ledger.hold(
    new_id uuid, key text, digest bytea, debtor uuid, creditor uuid, amount bigint, currency text,
    score double precision, reasons text[],
    OUT outcome text, OUT payment_id uuid, OUT payment_epoch bigint, OUT created_at timestamptz,
    OUT epoch bigint, OUT system_identifier bigint, OUT timeline bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    me trimaran.node;
BEGIN
    SELECT * INTO me FROM trimaran.admit();
    hold.epoch := me.epoch;
    hold.system_identifier := me.system_identifier;
    hold.timeline := me.timeline;
    PERFORM set_config('synchronous_commit', 'on', true);

    PERFORM FROM ledger.account AS a WHERE a.id IN (hold.debtor, hold.creditor) ORDER BY a.id FOR NO KEY UPDATE;
    PERFORM pg_advisory_xact_lock(hashtextextended(hold.key, 0));
    SELECT k.outcome, k.id, k.epoch, k.created_at INTO outcome, payment_id, payment_epoch, created_at
        FROM ledger.known(hold.key, hold.digest) AS k;
    IF FOUND THEN
        RETURN;
    END IF;
    outcome := ledger.objection(hold.debtor, hold.creditor, hold.amount, hold.currency);
    IF outcome IS NOT NULL THEN
        RETURN;
    END IF;
    outcome := 'held';
    payment_id := hold.new_id;
    payment_epoch := me.epoch;
    created_at := clock_timestamp();
    INSERT INTO ledger.held (
            id, idempotency_key, body_digest, debtor, creditor, amount, currency, score, reasons, epoch, created_at)
        VALUES (hold.new_id, hold.key, hold.digest, hold.debtor, hold.creditor, hold.amount, hold.currency, hold.score,
                hold.reasons, me.epoch, hold.created_at);
END $$;

-- A person's word about a held payment: `approved` makes it, under its own key and id, `rejected` never will; either is final, and
-- the same word again is answered with what it became. What cannot be paid now stays held. The same order of locks.
CREATE OR REPLACE FUNCTION ledger.review(
    held_id uuid, verdict text, who text, because text,
    OUT outcome text, OUT held jsonb, OUT epoch bigint, OUT system_identifier bigint, OUT timeline bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    me trimaran.node;
    h  ledger.held;
BEGIN
    SELECT * INTO me FROM trimaran.admit();
    review.epoch := me.epoch;
    review.system_identifier := me.system_identifier;
    review.timeline := me.timeline;
    PERFORM set_config('synchronous_commit', 'on', true);

    SELECT * INTO h FROM ledger.held AS x WHERE x.id = review.held_id;
    IF NOT FOUND THEN
        outcome := 'unknown';
        RETURN;
    END IF;
    PERFORM FROM ledger.account AS a WHERE a.id IN (h.debtor, h.creditor) ORDER BY a.id FOR NO KEY UPDATE;
    PERFORM pg_advisory_xact_lock(hashtextextended(h.idempotency_key, 0));
    -- Another reviewer may have decided while this one waited.
    SELECT * INTO h FROM ledger.held AS x WHERE x.id = review.held_id;
    IF h.state <> 'held' THEN
        outcome := CASE WHEN h.state = review.verdict THEN 'repeated' ELSE 'already_' || h.state END;
    ELSE
        IF review.verdict = 'approved' THEN
            outcome := ledger.objection(h.debtor, h.creditor, h.amount, h.currency);
        END IF;
        IF outcome IS NULL THEN
            outcome := review.verdict;
            UPDATE ledger.held AS x SET
                state = review.verdict, decided_by = review.who, decided_because = review.because,
                decided_at = clock_timestamp(), decided_epoch = me.epoch
                WHERE x.id = h.id RETURNING * INTO h;
            IF review.verdict = 'approved' THEN
                PERFORM ledger.carry_out(
                    me.epoch, h.id, h.idempotency_key, h.body_digest, h.debtor, h.creditor, h.amount, h.currency, h.decided_at);
            END IF;
        END IF;
    END IF;
    held := to_jsonb(h) - 'body_digest';
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

REVOKE ALL ON FUNCTION ledger.known, ledger.objection, ledger.learn, ledger.carry_out, ledger.pay, ledger.hold, ledger.review,
    ledger.await_held, ledger.open_account FROM PUBLIC;

-- The service decides nothing by itself: it may look, and call pay(), hold() and review().
GRANT USAGE ON SCHEMA ledger, trimaran TO payments_app, payments_stream;
GRANT SELECT ON ledger.account, ledger.payment, ledger.entry, ledger.profile, ledger.held TO payments_app, payments_stream;
GRANT SELECT ON trimaran.node TO payments_app;
GRANT SELECT ON trimaran.marker TO payments_stream;
GRANT EXECUTE ON FUNCTION ledger.pay, ledger.hold, ledger.review, ledger.await_held TO payments_app;
