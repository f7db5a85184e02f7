-- That somebody was forgotten. The subject itself is not kept: who knows it finds the proof by its digest, and nobody else learns from the
-- proof who it was. A row is also what keeps the subject forgotten, so it is written even when nothing was held of it, and before anything
-- else is done: from then on nobody pays from the subject's tokens. It is a proof once it has ended, and then it never changes again.
CREATE TABLE IF NOT EXISTS ledger.erasure (
    id             uuid    PRIMARY KEY,             -- UUIDv7, made by the service
    subject_digest bytea   NOT NULL UNIQUE,         -- SHA-256 of the subject's sixteen bytes
    accounts       integer NOT NULL,                -- how many were paid from by the subject's tokens; counts grow until it has ended
    profiles       integer NOT NULL,                -- how many of these had habits, which were forgotten
    sources        integer NOT NULL,                -- how many payments' tokens were forgotten
    caller         text    NOT NULL,                -- who asked, and for whom it said that it asked
    reason         text    NOT NULL CHECK (reason !~ '[0-9]'), -- words, never a number
    epoch          bigint  NOT NULL,                -- reign that began it
    at             timestamptz NOT NULL,
    ended_at       timestamptz,                     -- null: some is left to forget
    ended_epoch    bigint,
    reached        uuid,                            -- how far it has come, in the order of payments; null once it has ended
    payers         uuid[],                          -- accounts that are counted already; null once it has ended
    CHECK (num_nulls(ended_at, ended_epoch) = CASE WHEN ended_at IS NULL THEN 2 ELSE 0 END),
    CHECK (num_nulls(reached, payers) = CASE WHEN ended_at IS NULL THEN 0 ELSE 2 END)
);

CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON ledger.erasure
    FOR EACH STATEMENT EXECUTE FUNCTION trimaran.guard();

COMMENT ON TABLE ledger.erasure IS 'retention=forever residency=any contains=personal: that somebody was forgotten, and who asked for it, why';

GRANT SELECT ON ledger.erasure TO payments_stream;
