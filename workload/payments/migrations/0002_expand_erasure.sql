-- That somebody was forgotten. The subject itself is not kept: who knows it finds the proof by its digest, and nobody else learns from the
-- proof who it was. A row is also what keeps the subject forgotten, so it is written even when nothing was held of it.
CREATE TABLE IF NOT EXISTS ledger.erasure (
    id             uuid    PRIMARY KEY,             -- UUIDv7, made by the service
    subject_digest bytea   NOT NULL UNIQUE,         -- SHA-256 of the subject's sixteen bytes
    accounts       integer NOT NULL,                -- how many were paid from by the subject's tokens
    profiles       integer NOT NULL,                -- how many of these had habits, which were forgotten
    sources        integer NOT NULL,                -- how many payments' tokens were forgotten
    caller         text    NOT NULL,                -- who asked, and for whom it said that it asked
    reason         text    NOT NULL CHECK (reason !~ '[0-9]'), -- words, never a number
    epoch          bigint  NOT NULL,
    at             timestamptz NOT NULL
);

CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON ledger.erasure
    FOR EACH STATEMENT EXECUTE FUNCTION trimaran.guard();

COMMENT ON TABLE ledger.erasure IS 'retention=forever residency=any contains=personal: that somebody was forgotten, and who asked for it, why';

GRANT SELECT ON ledger.erasure TO payments_stream;
