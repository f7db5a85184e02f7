-- The token vault: random tokens, sealed numbers, wrapped data keys, who looked and why, and what was erased.
-- Run by the control role after the node schema; running it again changes nothing.
--
-- Rules for changing this file: every table has a primary key and no sequence (sequences are not replicated); nothing readable about
-- a number is ever written, not even its last digits; the service touches no table, it calls functions, and the only one that gives
-- it anything sealed, be it the last digits, writes a row of vault.access in the same transaction; whatever needs a row of trimaran.node
-- asks trimaran.admit() first.
--
-- Only vault.wrap changes. All other rows stay as they were written, until the retention of vault.access ends, so that ledgers of closed
-- epochs can be compared.

CREATE SCHEMA IF NOT EXISTS vault;

CREATE TABLE IF NOT EXISTS vault.data_key (
    id         uuid   PRIMARY KEY,                  -- UUIDv7, made by the service
    subject    uuid   NOT NULL UNIQUE,              -- for ever: after an erasure no second key is made
    key_check  bytea  NOT NULL,                     -- tells the right key from a wrong one, and nothing about it
    epoch      bigint NOT NULL,                     -- reign that admitted it
    created_at timestamptz NOT NULL
);

-- No foreign keys: a reseed empties the tables in any order.
CREATE TABLE IF NOT EXISTS vault.wrap (
    data_key   uuid  NOT NULL,
    cloud      text  NOT NULL,
    kek        text  NOT NULL,                      -- name and version of the cloud's key-encryption key
    ciphertext bytea NOT NULL,
    PRIMARY KEY (data_key, cloud)
);

CREATE TABLE IF NOT EXISTS vault.token (
    id              uuid   PRIMARY KEY,             -- random: says nothing about the number, nor when it came
    idempotency_key uuid   NOT NULL UNIQUE,         -- for ever: a key never means a second token
    body_digest     bytea  NOT NULL,                -- HMAC under the data key; the same key with another body is refused
    data_key        uuid   NOT NULL,
    kind            text   NOT NULL,
    sealed          bytea  NOT NULL,                -- the number: nonce and ciphertext
    hint            bytea  NOT NULL,                -- its last characters, sealed apart so that showing them opens no number
    caller          text   NOT NULL,                -- who brought it: its key is nobody else's to repeat
    epoch           bigint NOT NULL,
    created_at      timestamptz NOT NULL
);

CREATE INDEX IF NOT EXISTS token_by_data_key ON vault.token (data_key);

CREATE TABLE IF NOT EXISTS vault.access (
    id      uuid   PRIMARY KEY,                     -- UUIDv7
    token   uuid   NOT NULL,
    action  text   NOT NULL CHECK (action IN ('tokenize', 'describe', 'reveal')),
    caller  text   NOT NULL,
    reason  text   NOT NULL CHECK (reason !~ '[0-9]'), -- a word, never a number
    epoch   bigint NOT NULL,
    at      timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS vault.erasure (
    id           uuid    PRIMARY KEY,               -- UUIDv7
    data_key     uuid    NOT NULL UNIQUE,
    subject      uuid    NOT NULL UNIQUE,
    clouds       text[]  NOT NULL,                  -- whose wraps were destroyed
    wraps_digest bytea   NOT NULL,                  -- SHA-256 of them, in order of cloud
    tokens       bigint  NOT NULL,                  -- how many can be opened no more
    caller       text    NOT NULL,
    asked_by     text,                              -- the person for whom the caller says that it asks
    reason       text    NOT NULL CHECK (reason !~ '[0-9]'),
    epoch        bigint  NOT NULL,
    at           timestamptz NOT NULL
);

COMMENT ON TABLE vault.data_key IS 'retention=forever residency=any contains=personal: which data key is whose';
COMMENT ON TABLE vault.wrap IS 'retention=forever residency=any contains=secret: data keys, wrapped; an erasure removes them';
COMMENT ON TABLE vault.token IS 'retention=forever residency=any contains=cardholder: sealed numbers; unreadable once their wraps are gone';
COMMENT ON TABLE vault.access IS 'retention=400d by=at residency=any contains=personal: who had which number, and why';
COMMENT ON TABLE vault.erasure IS 'retention=forever residency=any contains=personal: proofs that wraps were destroyed';

-- Ordinary triggers: they stop clients, also one that writes a table directly, and not replication's apply worker.
CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON vault.data_key
    FOR EACH STATEMENT EXECUTE FUNCTION trimaran.guard();
CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON vault.wrap
    FOR EACH STATEMENT EXECUTE FUNCTION trimaran.guard();
CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON vault.token
    FOR EACH STATEMENT EXECUTE FUNCTION trimaran.guard();
CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON vault.access
    FOR EACH STATEMENT EXECUTE FUNCTION trimaran.guard();
CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON vault.erasure
    FOR EACH STATEMENT EXECUTE FUNCTION trimaran.guard();

-- What every function that writes begins with: may this node write, and will COMMIT wait for the disk?
-- With a session that commits asynchronously, COMMIT returns before its record is flushed: the flush position read after it lies below
-- the access row, the barrier passes, and a number is given out whose trace exists nowhere.
CREATE OR REPLACE FUNCTION vault.admit(OUT epoch bigint, OUT system_identifier bigint, OUT timeline bigint)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    SELECT me.epoch, me.system_identifier, me.timeline INTO epoch, system_identifier, timeline FROM trimaran.admit() AS me;
    PERFORM set_config('synchronous_commit', 'on', true);
END $$;

-- Keep a new data key's wraps. A key is used only after this is durable. Whoever loses the race for a subject is told `exists`, throws
-- the key away and opens the winner's.
CREATE OR REPLACE FUNCTION vault.found_key(
    new_id uuid, subject uuid, key_check bytea, clouds text[], keks text[], ciphertexts bytea[],
    OUT outcome text, OUT epoch bigint, OUT system_identifier bigint, OUT timeline bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    SELECT me.epoch, me.system_identifier, me.timeline INTO epoch, system_identifier, timeline FROM vault.admit() AS me;
    IF coalesce(cardinality(clouds), 0) = 0 THEN
        RAISE EXCEPTION 'data key % would have no wrap', new_id USING ERRCODE = 'TR005';
    END IF;
    INSERT INTO vault.data_key (id, subject, key_check, epoch, created_at)
        VALUES (new_id, found_key.subject, found_key.key_check, found_key.epoch, clock_timestamp())
        ON CONFLICT (subject) DO NOTHING;
    IF NOT FOUND THEN
        outcome := 'exists';
        RETURN;
    END IF;
    INSERT INTO vault.wrap (data_key, cloud, kek, ciphertext)
        SELECT new_id, w.cloud, w.kek, w.ciphertext FROM unnest(clouds, keks, ciphertexts) AS w (cloud, kek, ciphertext);
    outcome := 'founded';
END $$;

-- A data key with its wraps, by subject or by its own id; no row when there is none.
CREATE OR REPLACE FUNCTION vault.locked_key(of_subject uuid, of_id uuid)
RETURNS TABLE (id uuid, subject uuid, key_check bytea, is_erased boolean, clouds text[], keks text[], ciphertexts bytea[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT k.id, k.subject, k.key_check, EXISTS (SELECT FROM vault.erasure AS e WHERE e.data_key = k.id),
           coalesce(w.clouds, '{}'), coalesce(w.keks, '{}'), coalesce(w.ciphertexts, '{}')
    FROM vault.data_key AS k CROSS JOIN LATERAL (
        SELECT array_agg(r.cloud ORDER BY r.cloud) AS clouds, array_agg(r.kek ORDER BY r.cloud) AS keks,
               array_agg(r.ciphertext ORDER BY r.cloud) AS ciphertexts
        FROM vault.wrap AS r WHERE r.data_key = k.id) AS w
    WHERE k.subject = of_subject OR k.id = of_id
$$;

-- Keep one sealed number under a new token, once per idempotency key, and who brought it. Whoever comes with a key that is there leaves a row
-- too, whatever becomes of it: keys are no secret (quarantine and journals name them), and "is it this number?" could be asked again and
-- again without a trace. Of another caller's key not even that is told.
--
-- The row lock keeps an erasure out until this is decided, and is taken before the erasure is looked for. Without it the erasure counts
-- the tokens, proves it and is acknowledged while this insert waits for a twin; then the token is acknowledged too, answers `erased` for
-- ever, and the proof counts one too few.
CREATE OR REPLACE FUNCTION vault.tokenize(
    new_id uuid, key uuid, digest bytea, data_key uuid, kind text, sealed bytea, hint bytea, access_id uuid, caller text,
    OUT outcome text, OUT token uuid, OUT token_epoch bigint, OUT created_at timestamptz,
    OUT epoch bigint, OUT system_identifier bigint, OUT timeline bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    seen vault.token;
BEGIN
    SELECT me.epoch, me.system_identifier, me.timeline INTO epoch, system_identifier, timeline FROM vault.admit() AS me;
    PERFORM FROM vault.data_key AS k WHERE k.id = tokenize.data_key FOR KEY SHARE;
    IF NOT FOUND THEN
        outcome := 'unknown_key';
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM vault.erasure AS e WHERE e.data_key = tokenize.data_key) THEN
        outcome := 'erased';
        RETURN;
    END IF;
    tokenize.created_at := clock_timestamp();
    INSERT INTO vault.token (id, idempotency_key, body_digest, data_key, kind, sealed, hint, caller, epoch, created_at)
        VALUES (new_id, tokenize.key, tokenize.digest, tokenize.data_key, tokenize.kind, tokenize.sealed, tokenize.hint,
                tokenize.caller, tokenize.epoch, tokenize.created_at)
        ON CONFLICT (idempotency_key) DO NOTHING;
    IF FOUND THEN
        INSERT INTO vault.access (id, token, action, caller, reason, epoch, at)
            VALUES (access_id, new_id, 'tokenize', tokenize.caller, 'tokenize', tokenize.epoch, tokenize.created_at);
        outcome := 'created';
        token := new_id;
        token_epoch := tokenize.epoch;
        RETURN;
    END IF;
    -- A twin has the key; it is committed, or the insert would still wait for it.
    SELECT * INTO STRICT seen FROM vault.token AS t WHERE t.idempotency_key = tokenize.key;
    outcome := CASE WHEN seen.caller = tokenize.caller AND seen.data_key = tokenize.data_key AND seen.body_digest = tokenize.digest
                    THEN 'replayed' ELSE 'key_reused' END;
    INSERT INTO vault.access (id, token, action, caller, reason, epoch, at)
        VALUES (access_id, seen.id, 'tokenize', tokenize.caller,
                CASE outcome WHEN 'replayed' THEN 'the same key and number again' ELSE 'the same key with something else' END,
                tokenize.epoch, clock_timestamp());
    token := seen.id;
    token_epoch := seen.epoch;
    tokenize.created_at := seen.created_at;
END $$;

-- A token's sealed number (action `reveal`) or its sealed last characters (`describe`), and the row that says who had it and why, in one
-- transaction. The caller opens what it is given only once that row is durable. A caller that rolls back instead has seen ciphertext;
-- whoever runs such a one in the service's place has its data keys too, and no row in a database keeps him from using them.
CREATE OR REPLACE FUNCTION vault.give_out(
    access_id uuid, token uuid, action text, caller text, reason text,
    OUT outcome text, OUT kind text, OUT subject uuid, OUT data_key uuid, OUT sealed bytea, OUT token_epoch bigint,
    OUT created_at timestamptz, OUT epoch bigint, OUT system_identifier bigint, OUT timeline bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    SELECT me.epoch, me.system_identifier, me.timeline INTO epoch, system_identifier, timeline FROM vault.admit() AS me;
    SELECT t.kind, k.subject, k.id, CASE give_out.action WHEN 'reveal' THEN t.sealed WHEN 'describe' THEN t.hint END,
           t.epoch, t.created_at
        INTO give_out.kind, give_out.subject, give_out.data_key, give_out.sealed, give_out.token_epoch, give_out.created_at
        FROM vault.token AS t JOIN vault.data_key AS k ON k.id = t.data_key WHERE t.id = give_out.token;
    IF NOT FOUND THEN
        outcome := 'unknown_token';
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM vault.erasure AS e WHERE e.data_key = give_out.data_key) THEN
        outcome := 'erased';
        give_out.sealed := NULL;
        RETURN;
    END IF;
    INSERT INTO vault.access (id, token, action, caller, reason, epoch, at)
        VALUES (access_id, give_out.token, give_out.action, give_out.caller, give_out.reason, give_out.epoch, clock_timestamp());
    outcome := 'found';
END $$;

-- Whose a token is, and nothing of its number; no row when there is none.
CREATE OR REPLACE FUNCTION vault.whose(token uuid) RETURNS TABLE (subject uuid, is_erased boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT k.subject, EXISTS (SELECT FROM vault.erasure AS e WHERE e.data_key = k.id)
    FROM vault.token AS t JOIN vault.data_key AS k ON k.id = t.data_key WHERE t.id = whose.token
$$;

-- Destroy every wrap of a subject's data key and keep the proof; again answers the same proof.
--
-- The row lock is what keeps a repair out: it read the wraps before, opened the key, and would otherwise put a fresh wrap beside
-- the proof that there is none. See vault.add_wrap. It keeps new tokens out too: see vault.tokenize.
CREATE OR REPLACE FUNCTION vault.erase(
    new_id uuid, of_subject uuid, by_caller text, for_person text, for_reason text,
    OUT outcome text, OUT proof vault.erasure, OUT epoch bigint, OUT system_identifier bigint, OUT timeline bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    doomed uuid;
BEGIN
    SELECT me.epoch, me.system_identifier, me.timeline INTO epoch, system_identifier, timeline FROM vault.admit() AS me;
    SELECT k.id INTO doomed FROM vault.data_key AS k WHERE k.subject = of_subject FOR UPDATE;
    IF NOT FOUND THEN
        outcome := 'unknown_subject';
        RETURN;
    END IF;
    SELECT * INTO proof FROM vault.erasure AS e WHERE e.data_key = doomed;
    IF FOUND THEN
        outcome := 'replayed';
        RETURN;
    END IF;
    WITH gone AS (DELETE FROM vault.wrap AS w WHERE w.data_key = doomed RETURNING w.cloud, w.kek, w.ciphertext)
    INSERT INTO vault.erasure (id, data_key, subject, clouds, wraps_digest, tokens, caller, asked_by, reason, epoch, at)
        SELECT new_id, doomed, of_subject, coalesce(array_agg(g.cloud ORDER BY g.cloud), '{}'),
               sha256(coalesce(string_agg(vault.framed(g.cloud, g.kek, g.ciphertext), '' ORDER BY g.cloud), '')),
               (SELECT count(*) FROM vault.token AS t WHERE t.data_key = doomed),
               by_caller, for_person, for_reason, erase.epoch, clock_timestamp()
        FROM gone AS g
        RETURNING * INTO proof;
    outcome := 'erased';
END $$;

-- A wrap as the proof's digest reads it: each part after its length, so that no two wraps read the same.
CREATE OR REPLACE FUNCTION vault.framed(cloud text, kek text, ciphertext bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT string_agg(int4send(length(part)) || part, '' ORDER BY place)
    FROM unnest(ARRAY[convert_to(cloud, 'UTF8'), convert_to(kek, 'UTF8'), ciphertext]) WITH ORDINALITY AS p (part, place)
$$;

-- The proof by its id; no row when there is none.
CREATE OR REPLACE FUNCTION vault.read_erasure(wanted uuid) RETURNS SETOF vault.erasure
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM vault.erasure AS e WHERE e.id = wanted
$$;

-- One window of the data keys: which of them lack a wrap of these clouds, or have one by another key-encryption key than this?
-- A window has the same price whether there is much to mend or nothing, with a hundred keys or with millions.
-- And how many are not erased, and how many of those have a wrap by which key-encryption key of which cloud: whether a rotation is
-- finished, and whether every cloud can serve, is seen by nobody else, because the service reads no table.
CREATE OR REPLACE FUNCTION vault.survey(
    after uuid, most integer, clouds text[], keks text[],
    OUT upto uuid, OUT flawed uuid[], OUT living bigint, OUT held_clouds text[], OUT held_keks text[], OUT held bigint[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH looked AS MATERIALIZED (
        SELECT k.id FROM vault.data_key AS k WHERE k.id > after ORDER BY k.id LIMIT most),
    living AS MATERIALIZED (
        SELECT l.id FROM looked AS l WHERE NOT EXISTS (SELECT FROM vault.erasure AS e WHERE e.data_key = l.id)),
    counted AS MATERIALIZED (
        SELECT w.cloud, w.kek, count(*) AS wraps FROM living AS l JOIN vault.wrap AS w ON w.data_key = l.id GROUP BY w.cloud, w.kek)
    SELECT (SELECT l.id FROM looked AS l ORDER BY l.id DESC LIMIT 1),
           coalesce((SELECT array_agg(l.id ORDER BY l.id) FROM living AS l
                     WHERE EXISTS (SELECT FROM unnest(clouds, keks) AS n (cloud, kek)
                                   WHERE NOT EXISTS (SELECT FROM vault.wrap AS w
                                                     WHERE (w.data_key, w.cloud, w.kek) = (l.id, n.cloud, n.kek)))), '{}'),
           (SELECT count(*) FROM living),
           coalesce((SELECT array_agg(c.cloud ORDER BY c.cloud, c.kek) FROM counted AS c), '{}'),
           coalesce((SELECT array_agg(c.kek ORDER BY c.cloud, c.kek) FROM counted AS c), '{}'),
           coalesce((SELECT array_agg(c.wraps ORDER BY c.cloud, c.kek) FROM counted AS c), '{}')
$$;

-- Add a wrap in the place of the one that the caller has read (NULL: there was none); the data underneath stays as it is. Refuses what was
-- erased meanwhile, and what somebody else has replaced meanwhile: a repair that wrapped by the old version of a key just before its
-- rotation would else put that version back after nothing named it any more, and it may be destroyed by then.
CREATE OR REPLACE FUNCTION vault.add_wrap(
    of_key uuid, by_cloud text, by_kek text, wrapped bytea, instead_of bytea,
    OUT outcome text, OUT epoch bigint, OUT system_identifier bigint, OUT timeline bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    SELECT me.epoch, me.system_identifier, me.timeline INTO epoch, system_identifier, timeline FROM vault.admit() AS me;
    PERFORM FROM vault.data_key AS k WHERE k.id = of_key FOR KEY SHARE;
    IF NOT FOUND THEN
        outcome := 'unknown_key';
    ELSIF EXISTS (SELECT FROM vault.erasure AS e WHERE e.data_key = of_key) THEN
        outcome := 'erased';
    ELSE
        INSERT INTO vault.wrap AS w (data_key, cloud, kek, ciphertext) VALUES (of_key, by_cloud, by_kek, wrapped)
            ON CONFLICT (data_key, cloud) DO UPDATE SET kek = excluded.kek, ciphertext = excluded.ciphertext
                WHERE w.ciphertext = instead_of;
        outcome := CASE WHEN FOUND THEN 'founded' ELSE 'replaced' END;
    END IF;
END $$;

-- Which of these rows this node holds on its disk, as a member of the ack set of this reign; waits until one is here or patience is
-- over. Why that is proof: ledger.await_held in the payments' schema asks the same of a payment. One row stands for its whole
-- transaction, because a transaction becomes visible at once.
CREATE OR REPLACE FUNCTION vault.await_held(reign bigint, ids uuid[], patience interval) RETURNS uuid[]
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    give_up timestamptz := clock_timestamp() + patience;
    held    uuid[];
BEGIN
    LOOP
        SELECT coalesce(array_agg(r.id), '{}') INTO held
        FROM (SELECT k.id FROM vault.data_key AS k WHERE k.id = ANY (ids)
              UNION ALL SELECT t.id FROM vault.token AS t WHERE t.id = ANY (ids)
              UNION ALL SELECT a.id FROM vault.access AS a WHERE a.id = ANY (ids)
              UNION ALL SELECT e.id FROM vault.erasure AS e WHERE e.id = ANY (ids)) AS r
        WHERE EXISTS (SELECT FROM trimaran.marker AS m WHERE m.kind = 'epoch' AND m.epoch = reign)
          AND EXISTS (SELECT FROM trimaran.node AS n, trimaran.identity() AS i
                      WHERE (i.system_identifier, i.timeline) = (n.system_identifier, n.timeline));
        EXIT WHEN held <> '{}' OR clock_timestamp() >= give_up;
        PERFORM pg_sleep(0.0005);
    END LOOP;
    RETURN held;
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA vault FROM PUBLIC;

-- The service decides nothing by itself and reads no table.
GRANT USAGE ON SCHEMA vault, trimaran TO vault_app, vault_stream;
GRANT SELECT ON vault.data_key, vault.wrap, vault.token, vault.access, vault.erasure TO vault_stream;
GRANT SELECT ON trimaran.node TO vault_app;
GRANT SELECT ON trimaran.marker TO vault_stream;
GRANT EXECUTE ON FUNCTION vault.found_key, vault.locked_key, vault.tokenize, vault.give_out, vault.whose, vault.erase,
    vault.read_erasure, vault.survey, vault.add_wrap, vault.await_held TO vault_app;
