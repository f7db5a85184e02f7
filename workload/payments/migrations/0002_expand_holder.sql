-- Whose an account is: a subject of the vault, by the vault's own random id, and nothing else about a person. It is all that is personal
-- in this ledger beyond what the law has it keep, and what an erasure takes away: amounts and accounts stay, and belong to nobody.

ALTER TABLE ledger.account ADD COLUMN IF NOT EXISTS holder uuid;

CREATE INDEX CONCURRENTLY IF NOT EXISTS account_by_holder ON ledger.account (holder) WHERE holder IS NOT NULL;

-- The subject itself is not kept: who knows it finds the proof by its digest, and nobody else learns from the proof who it was.
CREATE TABLE IF NOT EXISTS ledger.erasure (
    id             uuid    PRIMARY KEY,             -- UUIDv7, made by the service
    subject_digest bytea   NOT NULL UNIQUE,         -- SHA-256 of the subject's sixteen bytes
    accounts       integer NOT NULL,                -- how many belong to nobody since
    profiles       integer NOT NULL,                -- how many accounts' habits were forgotten
    caller         text    NOT NULL,
    reason         text    NOT NULL CHECK (reason !~ '[0-9]'), -- words, never a number
    epoch          bigint  NOT NULL,
    at             timestamptz NOT NULL
);

CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON ledger.erasure
    FOR EACH STATEMENT EXECUTE FUNCTION trimaran.guard();

COMMENT ON TABLE ledger.erasure IS 'retention=forever residency=any contains=none: that somebody was forgotten, by whom and why';

GRANT SELECT ON ledger.erasure TO payments_stream;

-- Say whose an account is. Once said it stays, until it is forgotten; a forgotten subject is never named again.
CREATE OR REPLACE FUNCTION ledger.name_holder(of_account uuid, subject uuid, OUT outcome text,
    OUT epoch bigint, OUT system_identifier bigint, OUT timeline bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    me     trimaran.node;
    before ledger.account;
BEGIN
    SELECT * INTO me FROM trimaran.admit();
    name_holder.epoch := me.epoch;
    name_holder.system_identifier := me.system_identifier;
    name_holder.timeline := me.timeline;
    PERFORM set_config('synchronous_commit', 'on', true);
    PERFORM pg_advisory_xact_lock(hashtextextended(name_holder.subject::text, 1));
    IF EXISTS (SELECT FROM ledger.erasure AS e WHERE e.subject_digest = sha256(uuid_send(name_holder.subject))) THEN
        outcome := 'erased';
        RETURN;
    END IF;
    SELECT * INTO before FROM ledger.account AS a WHERE a.id = name_holder.of_account FOR NO KEY UPDATE;
    outcome := CASE
        WHEN before.id IS NULL THEN 'unknown_account'
        WHEN before.holder = name_holder.subject THEN 'repeated'
        WHEN before.holder IS NOT NULL THEN 'held_by_another'
        ELSE 'named' END;
    IF outcome = 'named' THEN
        UPDATE ledger.account AS a SET holder = name_holder.subject WHERE a.id = name_holder.of_account;
    END IF;
END $$;

-- Forget whose accounts these are, and what was learnt of them; keep the proof. Again answers the same proof. The caller shows it to
-- nobody before the reign's barrier has passed, as everything that this ledger answers.
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
    SELECT array_agg(x.id) INTO theirs FROM (
        SELECT a.id FROM ledger.account AS a WHERE a.holder = forget_subject.of_subject ORDER BY a.id FOR NO KEY UPDATE) AS x;
    IF theirs IS NULL THEN
        outcome := 'unknown_subject';
        RETURN;
    END IF;
    UPDATE ledger.account AS a SET holder = NULL WHERE a.id = ANY (theirs);
    DELETE FROM ledger.profile AS p WHERE p.account = ANY (theirs);
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    INSERT INTO ledger.erasure (id, subject_digest, accounts, profiles, caller, reason, epoch, at)
        VALUES (forget_subject.new_id, mark, cardinality(theirs), forgotten, forget_subject.by_caller, forget_subject.for_reason,
                me.epoch, clock_timestamp())
        RETURNING * INTO proof;
    outcome := 'erased';
END $$;

REVOKE ALL ON FUNCTION ledger.name_holder, ledger.forget_subject FROM PUBLIC;

GRANT EXECUTE ON FUNCTION ledger.name_holder, ledger.forget_subject TO payments_app;
