-- Which token of the vault a payment's money came from, and whose it is; never a number. What stands here is also what payments knows of
-- tokens: one that a payment came from needs no question to the vault any more, at any site, after any failover.

CREATE TABLE IF NOT EXISTS ledger.source (
    payment uuid PRIMARY KEY,                       -- made or held; its id is the same before and after
    token   uuid NOT NULL,
    subject uuid NOT NULL                           -- as the vault said when the token was first used
);

CREATE INDEX IF NOT EXISTS source_by_token ON ledger.source (token);

CREATE INDEX IF NOT EXISTS source_by_subject ON ledger.source (subject);

CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON ledger.source
    FOR EACH STATEMENT EXECUTE FUNCTION trimaran.guard();

COMMENT ON TABLE ledger.source IS 'retention=forever residency=any contains=personal: which token of the vault a payment came from, until its subject is forgotten';

GRANT SELECT ON ledger.source TO payments_stream;

ALTER TABLE ledger.erasure ADD COLUMN IF NOT EXISTS sources integer NOT NULL DEFAULT 0;

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
        INSERT INTO ledger.source (payment, token, subject) VALUES (pay_from.payment_id, pay_from.of_token, found.subject);
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
        INSERT INTO ledger.source (payment, token, subject) VALUES (hold_from.payment_id, hold_from.of_token, found.subject);
    END IF;
END $$;

-- As before, and which of their tokens payments came from: a token that is erased in the vault opens nothing there, and nobody
-- pays from it here.
CREATE OR REPLACE FUNCTION ledger.forget_subject(
    new_id uuid, of_subject uuid, by_caller text, for_reason text,
    OUT outcome text, OUT proof ledger.erasure, OUT epoch bigint, OUT system_identifier bigint, OUT timeline bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    me        trimaran.node;
    mark      bytea := sha256(uuid_send(forget_subject.of_subject));
    theirs    uuid[];
    forgotten integer;
    unnamed   integer;
BEGIN
    SELECT * INTO me FROM trimaran.admit();
    forget_subject.epoch := me.epoch;
    forget_subject.system_identifier := me.system_identifier;
    forget_subject.timeline := me.timeline;
    PERFORM set_config('synchronous_commit', 'on', true);
    PERFORM pg_advisory_xact_lock(hashtextextended(forget_subject.of_subject::text, 1));
    SELECT * INTO proof FROM ledger.erasure AS e WHERE e.subject_digest = mark;
    IF FOUND THEN
        outcome := 'replayed';
        RETURN;
    END IF;
    SELECT coalesce(array_agg(x.id), '{}') INTO theirs FROM (
        SELECT a.id FROM ledger.account AS a WHERE a.holder = forget_subject.of_subject ORDER BY a.id FOR NO KEY UPDATE) AS x;
    DELETE FROM ledger.source AS s WHERE s.subject = forget_subject.of_subject;
    GET DIAGNOSTICS unnamed = ROW_COUNT;
    IF theirs = '{}' AND unnamed = 0 THEN
        outcome := 'unknown_subject';
        RETURN;
    END IF;
    UPDATE ledger.account AS a SET holder = NULL WHERE a.id = ANY (theirs);
    DELETE FROM ledger.profile AS p WHERE p.account = ANY (theirs);
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    INSERT INTO ledger.erasure (id, subject_digest, accounts, profiles, sources, caller, reason, epoch, at)
        VALUES (forget_subject.new_id, mark, cardinality(theirs), forgotten, unnamed, forget_subject.by_caller,
                forget_subject.for_reason, me.epoch, clock_timestamp())
        RETURNING * INTO proof;
    outcome := 'erased';
END $$;

REVOKE ALL ON FUNCTION ledger.subject_of, ledger.pay_from, ledger.hold_from FROM PUBLIC;

GRANT EXECUTE ON FUNCTION ledger.pay_from, ledger.hold_from TO payments_app;
