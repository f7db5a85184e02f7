-- Which token of the vault a payment's money came from, and whose it is; never a number. What stands here is also what payments knows of
-- tokens: one that a payment came from needs no question to the vault any more, at any site, after any failover. An erasure takes token and
-- subject away, and leaves the row: rows that come and go could not be compared between ledgers.

CREATE TABLE IF NOT EXISTS ledger.source (
    payment uuid PRIMARY KEY,                       -- made or held; its id is the same before and after
    token   uuid,
    subject uuid,                                   -- as the vault said when the token was first used
    epoch   bigint NOT NULL,                        -- reign that admitted the payment, or held it
    CHECK (num_nulls(token, subject) IN (0, 2))     -- null: its subject is forgotten
);

CREATE INDEX IF NOT EXISTS source_by_token ON ledger.source (token);

-- In the order in which an erasure takes them: a look for the next ones does not pass those that were taken before.
CREATE INDEX IF NOT EXISTS source_by_subject ON ledger.source (subject, payment);

CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON ledger.source
    FOR EACH STATEMENT EXECUTE FUNCTION trimaran.guard();

COMMENT ON TABLE ledger.source IS 'retention=forever residency=any contains=personal: which token of the vault a payment came from, until its subject is forgotten';

GRANT SELECT ON ledger.source TO payments_stream;

-- Whose a token is: as the caller was told by the vault, or as an earlier payment has it. From here to the end of the transaction the
-- subject is not forgotten: an erasure beside this would miss the row that is about to be written.
CREATE OR REPLACE FUNCTION ledger.subject_of(of_token uuid, told uuid, OUT subject uuid, OUT objection text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    subject := coalesce(told, (SELECT s.subject FROM ledger.source AS s WHERE s.token = of_token LIMIT 1));
    IF subject IS NULL THEN
        objection := 'unknown_source';
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock_shared(hashtextextended(subject::text, 1));
    IF EXISTS (SELECT FROM ledger.erasure AS e WHERE e.subject_digest = sha256(uuid_send(subject))) THEN
        objection := 'erased_source';
    END IF;
END $$;

-- ledger.pay for an order that names a source. A key that is known is answered with what became of it, whatever became of the source.
-- Order of locks: the subject, then accounts, then the key, as an erasure takes the subject before accounts.
CREATE OR REPLACE FUNCTION ledger.pay_from(
    new_id uuid, key text, digest bytea, debtor uuid, creditor uuid, amount bigint, currency text, of_token uuid, told uuid,
    OUT outcome text, OUT payment_id uuid, OUT payment_epoch bigint, OUT created_at timestamptz,
    OUT epoch bigint, OUT system_identifier bigint, OUT timeline bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    me    trimaran.node;
    found record;
BEGIN
    SELECT * INTO me FROM trimaran.admit();
    PERFORM set_config('synchronous_commit', 'on', true);
    SELECT * INTO found FROM ledger.subject_of(pay_from.of_token, pay_from.told);
    IF found.objection IS NOT NULL AND NOT EXISTS (SELECT FROM ledger.known(pay_from.key, pay_from.digest)) THEN
        outcome := found.objection;
        epoch := me.epoch;
        system_identifier := me.system_identifier;
        timeline := me.timeline;
        RETURN;
    END IF;
    SELECT p.outcome, p.payment_id, p.payment_epoch, p.created_at, p.epoch, p.system_identifier, p.timeline
        INTO outcome, payment_id, payment_epoch, created_at, epoch, system_identifier, timeline
        FROM ledger.pay(pay_from.new_id, pay_from.key, pay_from.digest, pay_from.debtor, pay_from.creditor, pay_from.amount,
                        pay_from.currency) AS p;
    IF outcome = 'created' THEN
        INSERT INTO ledger.source (payment, token, subject, epoch)
            VALUES (pay_from.payment_id, pay_from.of_token, found.subject, pay_from.epoch);
    END IF;
END $$;

-- ledger.hold for the same.
CREATE OR REPLACE FUNCTION ledger.hold_from(
    new_id uuid, key text, digest bytea, debtor uuid, creditor uuid, amount bigint, currency text,
    score double precision, reasons text[], of_token uuid, told uuid,
    OUT outcome text, OUT payment_id uuid, OUT payment_epoch bigint, OUT created_at timestamptz,
    OUT epoch bigint, OUT system_identifier bigint, OUT timeline bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    me    trimaran.node;
    found record;
BEGIN
    SELECT * INTO me FROM trimaran.admit();
    PERFORM set_config('synchronous_commit', 'on', true);
    SELECT * INTO found FROM ledger.subject_of(hold_from.of_token, hold_from.told);
    IF found.objection IS NOT NULL AND NOT EXISTS (SELECT FROM ledger.known(hold_from.key, hold_from.digest)) THEN
        outcome := found.objection;
        epoch := me.epoch;
        system_identifier := me.system_identifier;
        timeline := me.timeline;
        RETURN;
    END IF;
    SELECT p.outcome, p.payment_id, p.payment_epoch, p.created_at, p.epoch, p.system_identifier, p.timeline
        INTO outcome, payment_id, payment_epoch, created_at, epoch, system_identifier, timeline
        FROM ledger.hold(hold_from.new_id, hold_from.key, hold_from.digest, hold_from.debtor, hold_from.creditor, hold_from.amount,
                         hold_from.currency, hold_from.score, hold_from.reasons) AS p;
    IF outcome = 'held' THEN
        INSERT INTO ledger.source (payment, token, subject, epoch)
            VALUES (hold_from.payment_id, hold_from.of_token, found.subject, hold_from.epoch);
    END IF;
END $$;

-- Payments that wait for a person and whose subject is being forgotten. Their debtors' accounts are locked, as by a reviewer.
CREATE OR REPLACE FUNCTION ledger.turn_down(ids uuid[], proof ledger.erasure, reign bigint) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    UPDATE ledger.held AS h SET
        state = 'rejected', decided_by = proof.caller, decided_because = 'its source was erased',
        decided_at = clock_timestamp(), decided_epoch = reign
        WHERE h.id = ANY (ids) AND h.state = 'held'
$$;

-- ledger.review for a payment that may have a source. An erasure turns down what waits, but not all of it at once: without the look here
-- a reviewer would make a payment from a token that nobody pays from any more. Order of locks: the subject, then accounts, then the key.
CREATE OR REPLACE FUNCTION ledger.review_from(
    held_id uuid, verdict text, who text, because text,
    OUT outcome text, OUT held jsonb, OUT epoch bigint, OUT system_identifier bigint, OUT timeline bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    me      trimaran.node;
    theirs  uuid;
    proof   ledger.erasure;
BEGIN
    SELECT * INTO me FROM trimaran.admit();
    PERFORM set_config('synchronous_commit', 'on', true);
    SELECT s.subject INTO theirs FROM ledger.source AS s WHERE s.payment = review_from.held_id;
    IF theirs IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock_shared(hashtextextended(theirs::text, 1));
        SELECT * INTO proof FROM ledger.erasure AS e WHERE e.subject_digest = sha256(uuid_send(theirs));
        IF FOUND THEN
            PERFORM FROM ledger.account AS a
                WHERE a.id IN (SELECT unnest(ARRAY[h.debtor, h.creditor]) FROM ledger.held AS h WHERE h.id = review_from.held_id)
                ORDER BY a.id FOR NO KEY UPDATE;
            PERFORM ledger.turn_down(ARRAY[review_from.held_id], proof, me.epoch);
        END IF;
    END IF;
    SELECT r.outcome, r.held, r.epoch, r.system_identifier, r.timeline INTO outcome, held, epoch, system_identifier, timeline
        FROM ledger.review(review_from.held_id, review_from.verdict, review_from.who, review_from.because) AS r;
END $$;

-- Forget the next `most` payments' sources of a subject whose erasure has begun, turn down those of them that wait for a person, and forget
-- the habits of every account that is met for the first time: whoever pays from it later is somebody else. What is counted, and how far
-- this has come, is written in the same transaction, so whoever goes on, on whichever node, counts nothing twice and passes nothing over.
-- No row of the subject can come behind: the erasure's row is there, and keeps them out. The subject is locked.
CREATE OR REPLACE FUNCTION ledger.forget_some(
    of_subject uuid, most integer, reign bigint, INOUT proof ledger.erasure)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    theirs    uuid[];
    debtors   uuid[];
    newcomers uuid[];
    forgotten integer;
    is_last   boolean;
BEGIN
    theirs := ARRAY(
        SELECT s.payment FROM ledger.source AS s
        WHERE s.subject = forget_some.of_subject AND s.payment > forget_some.proof.reached
        ORDER BY s.payment LIMIT forget_some.most);
    is_last := cardinality(theirs) < forget_some.most;
    debtors := ARRAY(
        SELECT p.debtor FROM ledger.payment AS p WHERE p.id = ANY (theirs)
        UNION SELECT h.debtor FROM ledger.held AS h WHERE h.id = ANY (theirs));
    PERFORM FROM ledger.account AS a WHERE a.id = ANY (debtors) ORDER BY a.id FOR NO KEY UPDATE;
    PERFORM ledger.turn_down(theirs, proof, forget_some.reign);
    newcomers := ARRAY(SELECT unnest(debtors) EXCEPT SELECT unnest(forget_some.proof.payers));
    DELETE FROM ledger.profile AS p WHERE p.account = ANY (newcomers);
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    UPDATE ledger.source AS s SET token = NULL, subject = NULL WHERE s.payment = ANY (theirs);
    UPDATE ledger.erasure AS e SET
        accounts = e.accounts + cardinality(newcomers), profiles = e.profiles + forgotten, sources = e.sources + cardinality(theirs),
        payers = CASE WHEN NOT is_last THEN e.payers || newcomers END,
        reached = CASE WHEN NOT is_last THEN theirs[cardinality(theirs)] END,
        ended_at = CASE WHEN is_last THEN clock_timestamp() END,
        ended_epoch = CASE WHEN is_last THEN forget_some.reign END
        WHERE e.id = forget_some.proof.id RETURNING e.* INTO proof;
END $$;

-- Forget which tokens were the subject's, and what was learnt of the accounts that were paid from by them; keep the proof. What waits for a
-- person is turned down: a token that is erased in the vault opens nothing there, and nobody pays from it here. Accounts, payments and
-- amounts stay. The caller shows the proof to nobody before the reign's barrier has passed, as everything that this ledger answers.
--
-- One small step a call, each whole by itself, until it has ended; then every call answers the same proof. The first only writes that the
-- subject is being forgotten, which waits for nothing but payments from the subject's tokens that are under way. In one step with all the
-- rest, somebody who paid often enough could never be forgotten: every try would end at the statement's deadline, with nothing done.
--
-- The proof is written even when nothing is held of the subject. Without it: a first payment from a token is on its way from the vault, which
-- has told whose it is; the erasure finds nothing and ends; the payment arrives, and the subject is known for ever.
--
-- Order of locks: the subject, then accounts by id, as everywhere. So no payment from the subject's tokens is written meanwhile, and a
-- reviewer's word is either seen here or sees that this was faster.
CREATE OR REPLACE FUNCTION ledger.forget_subject(
    new_id uuid, of_subject uuid, by_caller text, for_reason text, most integer,
    OUT outcome text, OUT proof ledger.erasure, OUT epoch bigint, OUT system_identifier bigint, OUT timeline bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    me      trimaran.node;
    mark    bytea := sha256(uuid_send(forget_subject.of_subject));
    moment  timestamptz;
    is_held boolean;
BEGIN
    SELECT * INTO me FROM trimaran.admit();
    forget_subject.epoch := me.epoch;
    forget_subject.system_identifier := me.system_identifier;
    forget_subject.timeline := me.timeline;
    PERFORM set_config('synchronous_commit', 'on', true);
    PERFORM pg_advisory_xact_lock(hashtextextended(forget_subject.of_subject::text, 1));
    SELECT * INTO proof FROM ledger.erasure AS e WHERE e.subject_digest = mark;
    IF NOT FOUND THEN
        outcome := 'erased';
        moment := clock_timestamp();
        is_held := EXISTS (SELECT FROM ledger.source AS s WHERE s.subject = forget_subject.of_subject);
        INSERT INTO ledger.erasure (
                id, subject_digest, accounts, profiles, sources, caller, reason, epoch, at, ended_at, ended_epoch, reached, payers)
            VALUES (forget_subject.new_id, mark, 0, 0, 0, forget_subject.by_caller, forget_subject.for_reason, me.epoch, moment,
                    CASE WHEN NOT is_held THEN moment END, CASE WHEN NOT is_held THEN me.epoch END,
                    CASE WHEN is_held THEN '00000000-0000-0000-0000-000000000000'::uuid END,
                    CASE WHEN is_held THEN '{}'::uuid[] END)
            RETURNING * INTO proof;
    ELSIF proof.ended_at IS NULL THEN
        outcome := 'erased';
        proof := ledger.forget_some(forget_subject.of_subject, forget_subject.most, me.epoch, proof);
    ELSE
        outcome := 'replayed';
    END IF;
    outcome := CASE WHEN proof.ended_at IS NULL THEN 'begun' WHEN proof.sources = 0 THEN 'unknown_subject' ELSE outcome END;
END $$;

REVOKE ALL ON FUNCTION ledger.subject_of, ledger.pay_from, ledger.hold_from, ledger.turn_down, ledger.review_from, ledger.forget_some,
    ledger.forget_subject FROM PUBLIC;

GRANT EXECUTE ON FUNCTION ledger.pay_from, ledger.hold_from, ledger.review_from, ledger.forget_subject TO payments_app;
