-- The node schema of one service's database: who this node is, who may write, and how a payment learns that it is durable.
-- Installed once per site by the control role, which owns everything here. Not published, except trimaran.marker.

CREATE SCHEMA IF NOT EXISTS trimaran;

CREATE TABLE IF NOT EXISTS trimaran.node (
    only_row          boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    service           text   NOT NULL,
    site              text   NOT NULL,
    role              text   NOT NULL CHECK (role IN ('writer', 'follower', 'fenced')),
    epoch             bigint NOT NULL,              -- reign this node opened, or follows
    ack_slots         text[] NOT NULL DEFAULT '{}', -- slots on this node whose confirmation counts
    system_identifier bigint NOT NULL,              -- pin: an in-cloud failover or a restore changes one of these two
    timeline          bigint NOT NULL,
    token             bigint NOT NULL DEFAULT 0,    -- promise: no step with an older token is ever obeyed again
    seeded            bigint NOT NULL DEFAULT -1    -- token under which the last initial copy began
);

-- Markers travel with the payments. An epoch marker is a writer's first transaction; a join marker lets a newcomer prove itself.
CREATE TABLE IF NOT EXISTS trimaran.marker (
    id    uuid PRIMARY KEY,
    kind  text   NOT NULL CHECK (kind IN ('epoch', 'join')),
    epoch bigint NOT NULL,
    site  text   NOT NULL
);

-- What an old writer had and nobody else: never acknowledged, never applied, kept for a person.
CREATE TABLE IF NOT EXISTS trimaran.quarantine (
    idempotency_key text    NOT NULL,
    epoch           bigint  NOT NULL,                -- reign that admitted it: a key may be tried again in a later one, and be lost again
    superseded      boolean NOT NULL,                -- the present writer has another payment of the key: the client was served
    body            jsonb   NOT NULL,
    PRIMARY KEY (idempotency_key, epoch)
);

-- This server's identity now. pg_control_checkpoint().timeline_id lags behind a promotion until the next checkpoint, so the
-- timeline is read from the name of the WAL file being written.
CREATE OR REPLACE FUNCTION trimaran.identity(OUT system_identifier bigint, OUT timeline bigint)
LANGUAGE sql VOLATILE AS $$
    SELECT c.system_identifier, ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint
    FROM pg_control_system() AS c
$$;

-- The guard. Called by the ledger before it writes, and again by a trigger on every ledger table.
--
-- The share lock is what makes a fence wait: A is fenced while a payment has passed this check but not committed; without the
-- lock the fence would return, the followers would be read, and the payment would commit after them on a node that is no longer
-- the writer. It is a table lock, not a row lock: row share locks let newcomers overtake a waiting fence for as long as load
-- lasts, and every one of them makes a multixact (docs/decisions/0001).
--
-- Serializable and repeatable-read transactions read the row as of their start, before the fence, so they are refused.
CREATE OR REPLACE FUNCTION trimaran.admit() RETURNS trimaran.node
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    me  trimaran.node;
    now record;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'ledger writes need read committed isolation, not %', current_setting('transaction_isolation')
            USING ERRCODE = 'TR004';
    END IF;
    LOCK TABLE trimaran.node IN ROW SHARE MODE;
    SELECT * INTO STRICT me FROM trimaran.node;
    IF me.role <> 'writer' THEN
        RAISE EXCEPTION 'node % is % in epoch %, not the writer', me.site, me.role, me.epoch USING ERRCODE = 'TR002';
    END IF;
    SELECT * INTO now FROM trimaran.identity();
    IF (now.system_identifier, now.timeline) IS DISTINCT FROM (me.system_identifier, me.timeline) THEN
        RAISE EXCEPTION 'node % runs on timeline %, pinned to %', me.site, now.timeline, me.timeline USING ERRCODE = 'TR003';
    END IF;
    RETURN me;
END $$;

-- An ordinary trigger: it fires for clients and not for replication's apply worker.
CREATE OR REPLACE FUNCTION trimaran.guard() RETURNS trigger
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM trimaran.admit();
    RETURN NULL;
END $$;

-- The barrier as one statement: has some slot of the ack set confirmed, on a node that is still what it was?
-- A slot whose confirmation lies beyond this node's own log was confirmed on a timeline that is gone, and proves nothing.
CREATE OR REPLACE FUNCTION trimaran.barrier(OUT epoch bigint, OUT is_open boolean, OUT confirmed pg_lsn)
LANGUAGE sql VOLATILE AS $$
    SELECT n.epoch,
           n.role = 'writer' AND (i.system_identifier, i.timeline) = (n.system_identifier, n.timeline),
           (SELECT max(s.confirmed_flush_lsn)
            FROM pg_replication_slots AS s
            WHERE s.slot_name = ANY (n.ack_slots) AND s.confirmed_flush_lsn <= pg_current_wal_flush_lsn())
    FROM trimaran.node AS n, trimaran.identity() AS i
$$;

-- Ask the barrier until it has reached `target`, the node is no longer open in `reign`, or `patience` is over; answers the last
-- look. Waiting here instead of in the client saves a round trip per look.
CREATE OR REPLACE FUNCTION trimaran.await_barrier(
    reign bigint, target pg_lsn, patience interval,
    OUT epoch bigint, OUT is_open boolean, OUT confirmed pg_lsn)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    give_up timestamptz := clock_timestamp() + patience;
BEGIN
    LOOP
        SELECT b.epoch, b.is_open, b.confirmed INTO epoch, is_open, confirmed FROM trimaran.barrier() AS b;
        EXIT WHEN confirmed >= target OR NOT is_open OR epoch <> reign OR clock_timestamp() >= give_up;
        PERFORM pg_sleep(0.0005);
    END LOOP;
END $$;

-- Who answers here must be who was dialled. One line copied in a controller's settings, and "gcp" is aws: both members of the ack set
-- are then read from one node, the election believes them level, and what only the real gcp had confirmed is lost.
CREATE OR REPLACE FUNCTION trimaran.answer_as() RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    me      text := (SELECT site FROM trimaran.node);
    dialled text := nullif(current_setting('trimaran.dialled', true), '');
BEGIN
    IF dialled <> me THEN
        RAISE EXCEPTION 'this node is %, not %: an address in the settings is wrong', me, dialled USING ERRCODE = 'TR007';
    END IF;
    RETURN me;
END $$;

-- Every step that touches a node begins here. A stalled controller may act years later: it checked etcd, stalled, and another
-- one cut this node and opened the next epoch; only the database itself can turn the late step away.
CREATE OR REPLACE FUNCTION trimaran.promise(presented bigint) RETURNS trimaran.node
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    me trimaran.node;
BEGIN
    PERFORM trimaran.answer_as();
    UPDATE trimaran.node SET token = presented WHERE token <= presented RETURNING * INTO me;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'token % is older than the promised %', presented, (SELECT token FROM trimaran.node)
            USING ERRCODE = 'TR001';
    END IF;
    RETURN me;
END $$;

-- ... and steps that build on a cut also check that the timeline is still the one that was cut.
CREATE OR REPLACE FUNCTION trimaran.promise_pinned(presented bigint) RETURNS trimaran.node
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    me  trimaran.node := trimaran.promise(presented);
    now record;
BEGIN
    SELECT * INTO now FROM trimaran.identity();
    IF (now.system_identifier, now.timeline) IS DISTINCT FROM (me.system_identifier, me.timeline) THEN
        RAISE EXCEPTION 'node % runs on timeline %, pinned to %', me.site, now.timeline, me.timeline USING ERRCODE = 'TR003';
    END IF;
    RETURN me;
END $$;
