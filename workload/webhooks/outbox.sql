-- The outbox: what merchants are to be told, written in the payment's own transaction, and how far each of them has been told.
-- Run by the control role after the ledger; running it again changes nothing, and over an earlier version it leaves this one. The tables
-- are published with the ledger's.
--
-- Three numbers per account, each never above the one before it on any node, because each is committed after the other:
--   counter.sequence >= the events' sequences >= delivery.sequence
--
-- Rules for changing this file: no sequence object and no foreign key (sequences are not replicated, a reseed empties the tables in
-- any order); the dispatcher never writes a table, it calls advance and sweep; a counter is never deleted or lowered, or a merchant
-- would get another event of the same reign under a sequence that he has had, and whoever remembers the first would skip the second.
--
-- Sequences alone can repeat: a failover that waives a member which cannot be read loses what that one alone had confirmed, and its
-- merchants were told of it. The next writer counts on from below. So an event's place is (epoch, sequence), which only grows.

CREATE SCHEMA IF NOT EXISTS outbox;

-- Where an account's events go. Without a row nothing is recorded for the account; a row that is not enabled is recorded for, not sent to.
CREATE TABLE IF NOT EXISTS outbox.endpoint (
    account uuid    PRIMARY KEY,
    url     text    NOT NULL CHECK (url ~ '^https?://[^[:space:]]+$' AND length(url) <= 2048),
    secret  text    NOT NULL CHECK (secret ~ '^[A-Za-z0-9_-]{1,64}$'),  -- name of the secret; no secret is ever in a database
    enabled boolean NOT NULL,
    epoch   bigint  NOT NULL,                       -- reign that wrote the row last
    registration uuid NOT NULL                      -- another one with every order, also with one that changes nothing else
);

-- How many events an account has ever had. A row of its own: were it in `delivery`, a payment would wait for the dispatcher's commit.
CREATE TABLE IF NOT EXISTS outbox.counter (
    account  uuid   PRIMARY KEY,
    sequence bigint NOT NULL CHECK (sequence > 0)
);

CREATE TABLE IF NOT EXISTS outbox.event (
    id         uuid   PRIMARY KEY,                  -- webhook-id: the same however often it is sent
    account    uuid   NOT NULL,
    sequence   bigint NOT NULL CHECK (sequence > 0),
    kind       text   NOT NULL,
    payment    uuid   NOT NULL,
    body       text   NOT NULL,                     -- exactly as it is signed and sent; jsonb would write it anew
    epoch      bigint NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (account, sequence)
);

-- The cursor: every event up to it was answered with a success. It may be behind the truth, never ahead of it.
CREATE TABLE IF NOT EXISTS outbox.delivery (
    account     uuid   PRIMARY KEY,
    sequence    bigint NOT NULL CHECK (sequence > 0),
    epoch       bigint NOT NULL,
    advanced_at timestamptz NOT NULL
);

-- Ordinary triggers, as the ledger's: they stop clients, and not replication's apply worker.
CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON outbox.endpoint
    FOR EACH STATEMENT EXECUTE FUNCTION trimaran.guard();
CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON outbox.counter
    FOR EACH STATEMENT EXECUTE FUNCTION trimaran.guard();
CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON outbox.event
    FOR EACH STATEMENT EXECUTE FUNCTION trimaran.guard();
CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON outbox.delivery
    FOR EACH STATEMENT EXECUTE FUNCTION trimaran.guard();

-- A UUIDv7 (RFC 9562 section 5.7): a random UUIDv4 with the Unix time in milliseconds over its first six bytes and the version set.
-- PostgreSQL has a function for it from 18 on.
CREATE OR REPLACE FUNCTION outbox.new_id(moment timestamptz) RETURNS uuid
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT encode(set_bit(set_bit(overlay(
        uuid_send(gen_random_uuid()) PLACING substring(int8send(floor(extract(epoch FROM moment) * 1000)::bigint) FROM 3) FROM 1 FOR 6
    ), 52, 1), 53, 1), 'hex')::uuid
$$;

-- The creditor's event, in the payment's transaction: neither can be without the other, here or on any follower.
--
-- The counter's row stays locked until the commit, so an account's sequences are in commit order and without gaps; a rollback takes
-- its number back. A follower applies commits in order, so it never has an event without those before it. No deadlock: pay() holds
-- the accounts already, one payment touches one counter, and nobody else writes counters.
CREATE OR REPLACE FUNCTION outbox.record() RETURNS trigger
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place bigint;
BEGIN
    PERFORM FROM outbox.endpoint AS p WHERE p.account = NEW.creditor;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    INSERT INTO outbox.counter AS c (account, sequence) VALUES (NEW.creditor, 1)
        ON CONFLICT (account) DO UPDATE SET sequence = c.sequence + 1
        RETURNING c.sequence INTO place;
    INSERT INTO outbox.event (id, account, sequence, kind, payment, body, epoch, created_at)
        VALUES (outbox.new_id(NEW.created_at), NEW.creditor, place, 'payment.received', NEW.id,
                json_build_object(
                    'type', 'payment.received',
                    'timestamp', to_char(NEW.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                    'data', json_build_object(
                        'account', NEW.creditor, 'epoch', NEW.epoch, 'sequence', place, 'payment', NEW.id,
                        'debtor', NEW.debtor, 'amount', NEW.amount, 'currency', NEW.currency))::text,
                NEW.epoch, NEW.created_at);
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER outbox AFTER INSERT ON ledger.payment
    FOR EACH ROW EXECUTE FUNCTION outbox.record();

-- Accounts that may have something to be sent: whoever has had an event within `recent`, or, when that is null, everybody who has
-- something. The first costs what was paid lately, the second what there is of merchants.
CREATE OR REPLACE FUNCTION outbox.waiting(recent interval) RETURNS uuid[]
LANGUAGE plpgsql STABLE AS $$
DECLARE
    began bigint := floor(extract(epoch FROM statement_timestamp() - recent) * 1000);
BEGIN
    IF recent IS NULL THEN
        RETURN ARRAY(SELECT c.account FROM outbox.counter AS c LEFT JOIN outbox.delivery AS d ON d.account = c.account
                     WHERE c.sequence > coalesce(d.sequence, 0));
    END IF;
    -- Ids begin with their time.
    RETURN ARRAY(SELECT DISTINCT e.account FROM outbox.event AS e
                 WHERE e.id > rpad(substring(encode(int8send(began), 'hex') FROM 5), 32, '0')::uuid);
END $$;

-- What is to be sent next: up to `most` events in order for each account that has some. Looked for are `failing`, all of them, and, for as
-- many as there are places, whoever was advanced longest ago first, those in `also` and whoever is `waiting`, without the `busy`. Those in
-- `slow` compete for places of their own. Of as many as `beyond` says, behind those with places, the first event only.
--
-- Linear in each array, whatever plan is taken: EXCEPT hashes or sorts, and so does IN with a subquery that asks for nothing of the row.
-- `account <> ALL (busy)` walks through the whole array for each account, once the statement is prepared and the array no constant: with
-- ten thousand merchants down, all of whom wait, that outlasts the statement's deadline, and nobody is told anything any more.
--
-- STABLE is part of the promise: it looks with the snapshot of the statement that calls it. A volatile function would look later, see a
-- payment committed after that statement read its flush position, and a merchant would be told of a payment that no barrier has passed.
-- CREATE OR REPLACE would leave what earlier versions had, with other arguments, beside it.
DROP FUNCTION IF EXISTS outbox.due(interval, uuid[], uuid[], uuid[], integer, integer, integer);
DROP FUNCTION IF EXISTS outbox.due(interval, uuid[], uuid[], uuid[], uuid[], integer, integer, integer);
CREATE OR REPLACE FUNCTION outbox.due(
    recent interval, also uuid[], failing uuid[], busy uuid[], slow uuid[], places integer, slow_places integer, beyond integer, most integer)
RETURNS TABLE (
    id uuid, account uuid, epoch bigint, sequence bigint, body text, delivered bigint, url text, secret text, registration uuid)
LANGUAGE sql STABLE AS $$
    WITH wanted AS MATERIALIZED (
        (SELECT unnest((SELECT outbox.waiting(recent)) || also) AS account EXCEPT SELECT unnest(busy || failing))
        UNION ALL SELECT DISTINCT unnest(failing)
    ), able AS (
        SELECT c.account, coalesce(d.sequence, 0) AS delivered, d.advanced_at, p.url, p.secret, p.registration,
               c.account IN (SELECT unnest(failing)) AS is_failing, c.account IN (SELECT unnest(slow)) AS is_slow
        FROM wanted AS w
        JOIN outbox.counter AS c ON c.account = w.account
        JOIN outbox.endpoint AS p ON p.account = w.account AND p.enabled
        LEFT JOIN outbox.delivery AS d ON d.account = w.account
        WHERE c.sequence > coalesce(d.sequence, 0)
    ), queued AS (
        SELECT a.*, CASE WHEN a.is_slow THEN slow_places ELSE places END AS room,
               row_number() OVER (PARTITION BY a.is_failing, a.is_slow
                                       ORDER BY coalesce(a.advanced_at, '-infinity'::timestamptz), a.account) AS turn
        FROM able AS a
    )
    SELECT e.id, e.account, e.epoch, e.sequence, e.body, q.delivered, q.url, q.secret, q.registration
    FROM queued AS q
    CROSS JOIN LATERAL (
        SELECT x.id, x.account, x.epoch, x.sequence, x.body FROM outbox.event AS x
        WHERE x.account = q.account AND x.sequence > q.delivered
        ORDER BY x.sequence LIMIT CASE WHEN q.is_failing OR q.turn <= q.room THEN most ELSE 1 END
    ) AS e
    WHERE q.is_failing OR q.turn <= q.room + CASE WHEN q.is_slow THEN 0 ELSE beyond END
    ORDER BY e.account, e.sequence
$$;

-- Move cursors up; never down, and to no event that this ledger does not have. A dispatcher that slept through a failover may tell what
-- is long known. One that was told what a waived member alone had, sequence 9 of reign 1, must not make sequence 9 of reign 2 look
-- delivered: it is another event, which nobody was sent. In order of accounts, so that two dispatchers cannot wait for each other.
CREATE OR REPLACE FUNCTION outbox.advance(
    accounts uuid[], epochs bigint[], sequences bigint[], OUT epoch bigint, OUT system_identifier bigint, OUT timeline bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    me trimaran.node;
BEGIN
    SELECT * INTO me FROM trimaran.admit();
    advance.epoch := me.epoch;
    advance.system_identifier := me.system_identifier;
    advance.timeline := me.timeline;
    -- As in ledger.pay: the position read after COMMIT must cover it.
    PERFORM set_config('synchronous_commit', 'on', true);
    INSERT INTO outbox.delivery AS d (account, sequence, epoch, advanced_at)
        SELECT n.account, n.sequence, me.epoch, clock_timestamp()
        FROM unnest(advance.accounts, advance.epochs, advance.sequences) AS n (account, epoch, sequence)
        JOIN outbox.event AS e ON e.account = n.account AND e.epoch = n.epoch AND e.sequence = n.sequence
        ORDER BY n.account
        ON CONFLICT (account) DO UPDATE
            SET sequence = EXCLUDED.sequence, epoch = EXCLUDED.epoch, advanced_at = EXCLUDED.advanced_at
            WHERE d.sequence < EXCLUDED.sequence;
END $$;

-- Delete delivered events older than `age`: looks at the `most` eldest behind `since`, and answers how far it came, or null at the end.
-- Ids are in order of time, so the look needs no index of its own, and it is as short when a million events lie there that cannot be
-- delivered: were these walked past anew each time, the walk would outlast the statement's deadline one day, and nobody's be swept.
-- Its commit comes after the cursor's, so no follower ever lacks an event that its own cursor does not call delivered.
CREATE OR REPLACE FUNCTION outbox.sweep(
    age interval, since uuid, most integer,
    OUT swept bigint, OUT until uuid, OUT epoch bigint, OUT system_identifier bigint, OUT timeline bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    me    trimaran.node;
    young uuid := outbox.new_id(clock_timestamp() - sweep.age);
BEGIN
    SELECT * INTO me FROM trimaran.admit();
    sweep.epoch := me.epoch;
    sweep.system_identifier := me.system_identifier;
    sweep.timeline := me.timeline;
    PERFORM set_config('synchronous_commit', 'on', true);
    WITH looked AS MATERIALIZED (
        SELECT e.id, e.account, e.sequence FROM outbox.event AS e
        WHERE e.id > sweep.since AND e.id < young ORDER BY e.id LIMIT sweep.most
    ), gone AS (
        DELETE FROM outbox.event AS e USING looked AS l JOIN outbox.delivery AS d ON d.account = l.account AND d.sequence >= l.sequence
        WHERE e.id = l.id RETURNING e.id
    )
    SELECT (SELECT count(*) FROM gone), CASE WHEN count(*) = sweep.most THEN (array_agg(l.id ORDER BY l.id DESC))[1] END
        INTO swept, until FROM looked AS l;
END $$;

-- Say where an account's events go from now on. What is not yet delivered goes to the new place.
--
-- Not for psql: `python -m workload.webhooks register` calls it, and answers when the barrier has passed. Somebody registers by hand on a
-- writer that nobody follows any more and is told yes; after the failover its merchant's payments make no event, for ever, in silence.
CREATE OR REPLACE FUNCTION outbox.register(
    account uuid, url text, secret text, enabled boolean, OUT epoch bigint, OUT system_identifier bigint, OUT timeline bigint)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    me trimaran.node;
BEGIN
    SELECT * INTO me FROM trimaran.admit();
    register.epoch := me.epoch;
    register.system_identifier := me.system_identifier;
    register.timeline := me.timeline;
    PERFORM set_config('synchronous_commit', 'on', true);
    INSERT INTO outbox.endpoint AS p (account, url, secret, enabled, epoch, registration)
        VALUES (register.account, register.url, register.secret, register.enabled, me.epoch, gen_random_uuid())
        ON CONFLICT (account) DO UPDATE
            SET url = EXCLUDED.url, secret = EXCLUDED.secret, enabled = EXCLUDED.enabled, epoch = EXCLUDED.epoch,
                registration = EXCLUDED.registration;
END $$;

REVOKE ALL ON FUNCTION outbox.new_id, outbox.record, outbox.waiting, outbox.advance, outbox.sweep, outbox.register,
    outbox.due(interval, uuid[], uuid[], uuid[], uuid[], integer, integer, integer, integer) FROM PUBLIC;

-- The dispatcher has a login of its own. It is the one process that calls whoever a merchant names and reads what is answered there:
-- taken over, it may tell merchants lies that it can sign anyhow, and must not pay, approve a held payment or read a ledger.
GRANT USAGE ON SCHEMA outbox TO payments_webhooks, payments_stream;
GRANT SELECT ON outbox.endpoint, outbox.counter, outbox.event, outbox.delivery TO payments_webhooks, payments_stream;
GRANT EXECUTE ON FUNCTION outbox.waiting, outbox.advance, outbox.sweep,
    outbox.due(interval, uuid[], uuid[], uuid[], uuid[], integer, integer, integer, integer) TO payments_webhooks;
-- What finding the writer and asking its barrier takes.
GRANT USAGE ON SCHEMA trimaran TO payments_webhooks;
GRANT SELECT ON trimaran.node TO payments_webhooks;
GRANT EXECUTE ON FUNCTION trimaran.identity, trimaran.admit, trimaran.barrier, trimaran.await_barrier TO payments_webhooks;
