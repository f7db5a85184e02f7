-- The steps of the data protocol that change a node, one function each. Each is one transaction: it presents the ownership
-- token, checks what it builds on, acts, and leaves the token as a promise. Python only sequences them.

-- Streams of this service on this node: `<service>_e<epoch>_<publisher>_<follower>`.
CREATE OR REPLACE FUNCTION trimaran.subscriptions()
RETURNS TABLE (name text, id oid, epoch bigint, publisher text, enabled boolean)
LANGUAGE sql STABLE AS $$
    SELECT s.subname::text, s.oid, m.part[1]::bigint, m.part[2], s.subenabled
    FROM pg_subscription AS s, trimaran.node AS n,
         regexp_match(s.subname, '^' || n.service || '_e(\d+)_([^_]+)_[^_]+$') AS m (part)
    WHERE s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND m.part IS NOT NULL
$$;

-- Drop subscriptions without contacting the publisher: it may be a black hole.
--
-- Without a slot a subscription with a half-copied table still dials when it is dropped, for the slot of that table's copy: azure is
-- being seeded from aws, aws's cloud dies, gcp is elected, and azure, the only node left that could acknowledge, hangs here for as
-- long as TCP takes. So it is first given an address where nobody can be, a socket in a directory that does not exist; not being
-- answered there is no error. The copy's slots stay behind on the publisher until its caretaker drops them.
CREATE OR REPLACE FUNCTION trimaran.drop_subscriptions(keep text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT s.name, s.id FROM trimaran.subscriptions() AS s WHERE s.name IS DISTINCT FROM keep LOOP
        EXECUTE format('ALTER SUBSCRIPTION %I DISABLE', one.name);
        EXECUTE format('ALTER SUBSCRIPTION %I SET (slot_name = NONE)', one.name);
        IF EXISTS (SELECT FROM pg_subscription_rel AS r WHERE r.srsubid = one.id AND r.srsubstate <> 'r') THEN
            EXECUTE format('ALTER SUBSCRIPTION %I CONNECTION %L', one.name, 'host=/nowhere/trimaran password=none');
        END IF;
        EXECUTE format('DROP SUBSCRIPTION %I', one.name);
    END LOOP;
END $$;

-- Is this the slot of one table's initial copy? The follower's server names it; no name of ours is in it.
CREATE OR REPLACE FUNCTION trimaran.is_copy_slot(name text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$ SELECT name ~ '^pg_\d+_sync_\d+_\d+$' $$;

-- Spare subscriptions of this service on this node: `<service>_spare_e<epoch>_<publisher>_<follower>`, disabled and without a slot.
-- Complete: it knows every published table. Were one missing, an attached sibling would skip that table's rows without a word.
CREATE OR REPLACE FUNCTION trimaran.spares()
RETURNS TABLE (name text, publisher text, complete boolean)
LANGUAGE sql STABLE AS $$
    SELECT s.subname::text, m.part[1], NOT EXISTS (
        SELECT FROM pg_publication_tables AS t
        WHERE t.pubname = n.service || '_ledger' AND NOT EXISTS (
            SELECT FROM pg_subscription_rel AS r
            WHERE r.srsubid = s.oid AND r.srsubstate = 'r'
              AND r.srrelid = format('%I.%I', t.schemaname, t.tablename)::regclass))
    FROM pg_subscription AS s, trimaran.node AS n,
         regexp_match(s.subname, '^' || n.service || '_spare_e\d+_([^_]+)_[^_]+$') AS m (part)
    WHERE s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND m.part IS NOT NULL AND NOT s.subenabled
$$;

-- Caretaker: on a node of this reign have exactly these spare subscriptions; answers what changed. Making one dials the sibling;
-- using it later does not.
CREATE OR REPLACE FUNCTION trimaran.keep_spares(reign bigint, names text[], conninfos text[]) RETURNS text[]
LANGUAGE plpgsql AS $$
DECLARE
    publication text := (SELECT service || '_ledger' FROM trimaran.node);
    changed     text[] := '{}';
    one         record;
BEGIN
    IF (SELECT epoch <> reign FROM trimaran.node) THEN
        RETURN changed;
    END IF;
    FOR one IN SELECT s.name FROM trimaran.spares() AS s WHERE s.name <> ALL (names) OR NOT s.complete LOOP
        EXECUTE format('DROP SUBSCRIPTION %I', one.name);
        changed := changed || ('dropped ' || one.name);
    END LOOP;
    FOR one IN SELECT w.name, w.conninfo FROM unnest(names, conninfos) AS w (name, conninfo)
               WHERE w.name NOT IN (SELECT s.subname FROM pg_subscription AS s) LOOP
        EXECUTE format(
            'CREATE SUBSCRIPTION %I CONNECTION %L PUBLICATION %I WITH (enabled = false, slot_name = NONE, create_slot = false, '
            'copy_data = false, origin = any, synchronous_commit = ''on'', streaming = off)',
            one.name, one.conninfo, publication);
        changed := changed || ('created ' || one.name);
    END LOOP;
    RETURN changed;
END $$;

-- Wait for every transaction that passed the guard, keeping new ones out meanwhile: the lock queue is fair.
-- A session that was cut off in the middle of a transaction would hold the fence for as long as TCP takes to notice, so after
-- each quarter second whoever still holds the share lock is ended. Its payment was never acknowledged.
CREATE OR REPLACE FUNCTION trimaran.drain() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    FOR attempt IN 1..8 LOOP
        BEGIN
            SET LOCAL lock_timeout = '250ms';
            LOCK TABLE trimaran.node IN EXCLUSIVE MODE;
            SET LOCAL lock_timeout = 0;
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            PERFORM pg_terminate_backend(l.pid)
            FROM pg_locks AS l
            WHERE l.relation = 'trimaran.node'::regclass AND l.mode = 'RowShareLock' AND l.granted AND l.pid <> pg_backend_pid();
        END;
    END LOOP;
    RAISE EXCEPTION 'client transactions did not end' USING ERRCODE = 'TR005';
END $$;

-- Close a writer of an earlier reign. The exclusive lock comes before the row is touched: two controllers that first locked the row
-- and then the table would wait for each other.
--
-- Only of an earlier reign: a cut is sent, the network holds it, the second try succeeds, this node is elected and opened with
-- the same token - and then the first try arrives. It must not close the writer it helped to elect.
CREATE OR REPLACE FUNCTION trimaran.fence(presented bigint, before bigint) RETURNS trimaran.node
LANGUAGE plpgsql AS $$
DECLARE
    me trimaran.node;
BEGIN
    PERFORM trimaran.answer_as();
    IF (SELECT token > presented FROM trimaran.node) THEN
        RETURN trimaran.promise(presented); -- refuses, before anybody had to wait
    END IF;
    IF (SELECT role = 'writer' AND epoch < before FROM trimaran.node) THEN
        PERFORM trimaran.drain();
    END IF;
    me := trimaran.promise(presented);
    IF me.role = 'writer' AND me.epoch < before THEN
        UPDATE trimaran.node SET role = 'fenced' RETURNING * INTO me;
    END IF;
    RETURN me;
END $$;

-- First half of a cut: closed if it was a writer, and no stream of an older epoch may be started again.
-- This alone is no cut: an apply worker that is already running was seen to apply and confirm a second later.
CREATE OR REPLACE FUNCTION trimaran.stop_streams(presented bigint, before bigint) RETURNS trimaran.node
LANGUAGE plpgsql AS $$
DECLARE
    me  trimaran.node := trimaran.fence(presented, before);
    one record;
BEGIN
    FOR one IN SELECT s.name FROM trimaran.subscriptions() AS s WHERE s.epoch < before AND s.enabled LOOP
        EXECUTE format('ALTER SUBSCRIPTION %I DISABLE', one.name);
    END LOOP;
    RETURN me;
END $$;

-- Second half: end the workers of disabled streams and wait until they are gone; false when they were not.
-- A worker that the launcher starts meanwhile attaches first and reads the catalogue afterwards, sees DISABLED and leaves.
CREATE OR REPLACE FUNCTION trimaran.await_stopped(patience interval) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    give_up timestamptz := clock_timestamp() + patience;
    workers integer[];
BEGIN
    LOOP
        SELECT array_agg(w.pid) INTO workers
        FROM pg_stat_subscription AS w JOIN trimaran.subscriptions() AS s ON s.id = w.subid
        WHERE w.pid IS NOT NULL AND NOT s.enabled;
        IF workers IS NULL THEN
            RETURN true;
        END IF;
        PERFORM pg_terminate_backend(worker) FROM unnest(workers) AS worker;
        EXIT WHEN clock_timestamp() >= give_up;
        PERFORM pg_sleep(0.002);
        PERFORM pg_stat_clear_snapshot();
    END LOOP;
    RETURN false;
END $$;

-- Where this node stands in every stream it has; `flushed` is its own log, which counts when it is the fenced writer.
-- Asking with `true` also flushes what was applied, so that a position never promises more than the disk holds.
-- `marked`: the newest epoch whose marker was applied here, and with it everything that epoch's writer held before it opened.
CREATE OR REPLACE FUNCTION trimaran.positions()
RETURNS TABLE (role text, pinned boolean, flushed pg_lsn, marked bigint, epoch bigint, publisher text, lsn pg_lsn)
LANGUAGE sql VOLATILE AS $$
    SELECT n.role, (i.system_identifier, i.timeline) = (n.system_identifier, n.timeline), pg_current_wal_flush_lsn(),
           (SELECT coalesce(max(m.epoch), 0) FROM trimaran.marker AS m WHERE m.kind = 'epoch'), s.epoch, s.publisher, pg_replication_origin_progress('pg_' || s.id, true)
    FROM trimaran.node AS n CROSS JOIN trimaran.identity() AS i LEFT JOIN trimaran.subscriptions() AS s ON true
    ORDER BY s.epoch DESC NULLS LAST
$$;

-- Which of these slots have confirmed `target`, as soon as `need` of them have or patience is over.
--
-- Only on the pinned timeline, looked at behind the slots: aws is being taken out of the set, and alone has payment P; azure, the writer,
-- fails over inside its cloud and loses P; log of its own grows past where P stood, gcp confirms that, and so seems to hold P. aws leaves
-- the set, gcp is elected next, and P is lost, although aws has it.
CREATE OR REPLACE FUNCTION trimaran.await_slots(names text[], target pg_lsn, need integer, patience interval) RETURNS text[]
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    give_up timestamptz := clock_timestamp() + patience;
    found_  text[];
BEGIN
    LOOP
        SELECT coalesce(array_agg(s.slot_name::text), '{}') INTO found_
        FROM pg_replication_slots AS s WHERE s.slot_name = ANY (names) AND s.confirmed_flush_lsn >= target;
        EXIT WHEN cardinality(found_) >= need OR clock_timestamp() >= give_up;
        PERFORM pg_sleep(0.002);
    END LOOP;
    PERFORM trimaran.on_pinned();
    RETURN found_;
END $$;

-- Attach: forget every other publisher and follow this one from the slot that was placed on it, without a copy.
-- origin = any, because most of what the new publisher sends came to it from the old one.
--
-- CREATE SUBSCRIPTION dials the publisher and holds this transaction for six round trips, in which nobody can pay. A spare
-- subscription was made in peace and is only given its slot: the worker dials while the winner is being opened.
--
-- A table came to the others while this node was away: a subscription to it cannot even be made. Who reads the error is told the way out.
CREATE OR REPLACE FUNCTION trimaran.follow(presented bigint, reign bigint, stream text, conninfo text, seed boolean)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    me        trimaran.node := trimaran.promise_pinned(presented);
    from_     text := (regexp_match(stream, '_e\d+_([^_]+)_[^_]+$'))[1];
    spare     text;
BEGIN
    IF me.role = 'writer' THEN
        RAISE EXCEPTION 'node % is still the writer of epoch %', me.site, me.epoch USING ERRCODE = 'TR006';
    END IF;
    PERFORM trimaran.drop_subscriptions(stream);
    IF NOT EXISTS (SELECT FROM trimaran.subscriptions() AS s WHERE s.name = stream) THEN
        SELECT s.name INTO spare FROM trimaran.spares() AS s WHERE s.publisher = from_ AND s.complete LIMIT 1;
        IF spare IS NOT NULL AND NOT seed THEN
            EXECUTE format('ALTER SUBSCRIPTION %I CONNECTION %L', spare, conninfo);
            EXECUTE format('ALTER SUBSCRIPTION %I RENAME TO %I', spare, stream);
            EXECUTE format('ALTER SUBSCRIPTION %I SET (slot_name = %L)', stream, stream);
            EXECUTE format('ALTER SUBSCRIPTION %I ENABLE', stream);
        ELSE
            BEGIN
                EXECUTE format(
                    'CREATE SUBSCRIPTION %I CONNECTION %L PUBLICATION %I WITH (slot_name = %L, create_slot = false, copy_data = %s, '
                    'origin = any, synchronous_commit = ''on'', streaming = off)',
                    stream, conninfo, me.service || '_ledger', stream, CASE WHEN seed THEN 'on' ELSE 'off' END);
            EXCEPTION WHEN undefined_table OR invalid_schema_name THEN
                RAISE EXCEPTION 'node % lacks a table that % publishes: %; give `trimaran schema apply`, which brings it', me.site, from_, SQLERRM
                    USING ERRCODE = 'TR006';
            END;
        END IF;
    END IF;
    UPDATE trimaran.node AS n
    SET role = 'follower', epoch = reign, ack_slots = '{}', seeded = CASE WHEN seed THEN presented ELSE n.seeded END;
END $$;

-- Open: from this commit on the node is the writer of the epoch, and its first published transaction says so.
CREATE OR REPLACE FUNCTION trimaran.open(presented bigint, reign bigint, ack text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    me trimaran.node := trimaran.promise_pinned(presented);
BEGIN
    IF me.role = 'writer' AND me.epoch = reign THEN
        RETURN; -- done before; the answer was lost
    END IF;
    IF me.epoch >= reign THEN
        RAISE EXCEPTION 'node % already stands in epoch %', me.site, me.epoch USING ERRCODE = 'TR006';
    END IF;
    -- A slot that is still being made gets its first position only later, behind payments that nobody confirmed.
    IF EXISTS (SELECT FROM unnest(ack) AS a (name) WHERE NOT EXISTS (
        SELECT FROM pg_replication_slots AS s WHERE s.slot_name = a.name AND s.confirmed_flush_lsn IS NOT NULL)) THEN
        RAISE EXCEPTION 'node % has no finished slot for each of %', me.site, ack USING ERRCODE = 'TR006';
    END IF;
    PERFORM trimaran.drop_subscriptions(NULL);
    UPDATE trimaran.node SET role = 'writer', epoch = reign, ack_slots = ack;
    INSERT INTO trimaran.marker (id, kind, epoch, site) VALUES (gen_random_uuid(), 'epoch', reign, me.site);
END $$;

-- Steps on a writer in office. A controller that believes in another reign is refused.
CREATE OR REPLACE FUNCTION trimaran.promise_writer(presented bigint, reign bigint) RETURNS trimaran.node
LANGUAGE plpgsql AS $$
DECLARE
    me trimaran.node := trimaran.promise_pinned(presented);
BEGIN
    IF me.role <> 'writer' OR me.epoch <> reign THEN
        RAISE EXCEPTION 'node % is % in epoch %, not the writer of epoch %', me.site, me.role, me.epoch, reign
            USING ERRCODE = 'TR006';
    END IF;
    RETURN me;
END $$;

CREATE OR REPLACE FUNCTION trimaran.mark_join(presented bigint, reign bigint, newcomer text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM trimaran.promise_writer(presented, reign);
    INSERT INTO trimaran.marker (id, kind, epoch, site) VALUES (gen_random_uuid(), 'join', reign, newcomer);
END $$;

CREATE OR REPLACE FUNCTION trimaran.set_ack_slots(presented bigint, reign bigint, ack text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM trimaran.promise_writer(presented, reign);
    UPDATE trimaran.node SET ack_slots = ack;
END $$;

-- Return, destructive half: the node forgets every stream and every payment, and is pinned to what it now is.
-- Once per token: a first try that the network held back would otherwise empty a node that the second try has long since seeded,
-- and that counts as a member again.
-- Its tail is in quarantine by now. The publication leaves TRUNCATE out, or a sibling attached here later would be emptied too.
CREATE OR REPLACE FUNCTION trimaran.clear(presented bigint, reign bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    me     trimaran.node := trimaran.promise(presented);
    tables text;
BEGIN
    IF presented <= me.seeded THEN
        RAISE EXCEPTION 'node % was seeded under token %', me.site, me.seeded USING ERRCODE = 'TR006';
    END IF;
    IF me.role = 'writer' THEN
        RAISE EXCEPTION 'node % is still the writer of epoch %', me.site, me.epoch USING ERRCODE = 'TR006';
    END IF;
    PERFORM trimaran.drop_subscriptions(NULL);
    SELECT string_agg(format('%I.%I', t.schemaname, t.tablename), ', ') INTO STRICT tables
    FROM pg_publication_tables AS t WHERE t.pubname = me.service || '_ledger';
    EXECUTE 'TRUNCATE ' || tables;
    UPDATE trimaran.node AS n
    SET role = 'follower', epoch = reign, ack_slots = '{}', system_identifier = i.system_identifier, timeline = i.timeline
    FROM trimaran.identity() AS i;
END $$;

-- Everything a controller wants to know about a node, in one round trip and one statement. Asked four times a second by every
-- controller, so not LANGUAGE sql: each call of that would be parsed and planned anew.
CREATE OR REPLACE FUNCTION trimaran.facts() RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN (
        SELECT jsonb_build_object(
            'site', trimaran.answer_as(), 'role', n.role, 'epoch', n.epoch, 'token', n.token, 'seeded', n.seeded, 'ack_slots', to_jsonb(n.ack_slots),
            'pinned', (i.system_identifier, i.timeline) = (n.system_identifier, n.timeline),
            'flushed', pg_current_wal_flush_lsn() - '0/0'::pg_lsn,
            'marked', (SELECT coalesce(max(m.epoch), 0) FROM trimaran.marker AS m WHERE m.kind = 'epoch'),
            'schema', trimaran.schema(),
            'subscriptions', (
                SELECT coalesce(jsonb_agg(jsonb_build_object(
                    'name', s.name, 'enabled', s.enabled,
                    'running', EXISTS (SELECT FROM pg_stat_subscription AS w WHERE w.subid = s.id AND w.pid IS NOT NULL),
                    'seeded', NOT EXISTS (SELECT FROM pg_subscription_rel AS r WHERE r.srsubid = s.id AND r.srsubstate <> 'r'),
                    'position', coalesce(pg_replication_origin_progress('pg_' || s.id, false) - '0/0'::pg_lsn, 0))), '[]')
                FROM trimaran.subscriptions() AS s),
            'slots', (
                SELECT coalesce(jsonb_agg(jsonb_build_object(
                    'name', s.slot_name, 'active', s.active,
                    'confirmed', coalesce(s.confirmed_flush_lsn - '0/0'::pg_lsn, 0),
                    'retained_bytes', coalesce(pg_current_wal_flush_lsn() - s.restart_lsn, 0),
                    'lost', s.wal_status = 'lost')), '[]')
                FROM pg_replication_slots AS s
                WHERE s.database = current_database() AND (starts_with(s.slot_name, n.service || '_') OR trimaran.is_copy_slot(s.slot_name))))
        FROM trimaran.node AS n, trimaran.identity() AS i);
END
$$;
