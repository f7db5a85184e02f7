-- What the control plane asks the vault, without knowing its tables: is it equal elsewhere, and what does it hold that another one
-- lacks? A row is asked for by its kind and what makes it one of a kind: `token:` and the idempotency key, `data_key:` and the
-- subject, `erasure:` and the data key, `access:` and its own id.
--
-- What leaves here goes to a journal or to a person's screen. So a described row holds identifiers and ciphertext: no caller's reason, no
-- digest, and no wrap, because a wrap in quarantine would outlive the subject's erasure.

-- Accesses from here on are compared; older ones are the retention's, which removes them on the writer, a few at a time, when their days
-- are over (the table's label says how many). A node was away while it ran: what it still has is no tail, and a digest that counts rows while
-- they go differs for nothing. A day or two before their time, because clocks differ, and at midnight, because nodes are asked one after the
-- other.
CREATE OR REPLACE FUNCTION vault.compared_since() RETURNS timestamptz
LANGUAGE sql STABLE SET timezone = 'UTC' SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(
        date_trunc('day', now()) - ((regexp_match(obj_description('vault.access'::regclass, 'pg_class'), '^retention=(\d+)d by=at '))[1]::integer - 2)
            * interval '1 day',
        '-infinity')
$$;

-- Order-free digest of everything that can no longer change: rows of closed epochs, except wraps, which repairs add, rotation replaces
-- and erasures remove: of those only how many keys have none although nobody erased them, which must be 0 everywhere. A follower that lacks
-- wraps would else compare equal, be elected, and open nothing. Rows are hashed as text, and a timestamp's text depends on the zone of whoever asks; so the zone is set here.
CREATE OR REPLACE FUNCTION trimaran.digest(up_to bigint) RETURNS text
LANGUAGE sql STABLE SET timezone = 'UTC' SET bytea_output = 'hex' AS $$
    SELECT format('%s data keys %s, %s tokens %s, %s accesses %s, %s erasures %s, %s living keys without a wrap',
        k.rows, md5(k.hash::text), t.rows, md5(t.hash::text), a.rows, md5(a.hash::text), e.rows, md5(e.hash::text), w.bare)
    FROM (SELECT count(*) AS rows, coalesce(sum(hashtextextended(data_key::text, 0)::numeric), 0) AS hash
          FROM vault.data_key WHERE epoch <= up_to) AS k,
         (SELECT count(*) AS rows, coalesce(sum(hashtextextended(token::text, 0)::numeric), 0) AS hash
          FROM vault.token WHERE epoch <= up_to) AS t,
         (SELECT count(*) AS rows, coalesce(sum(hashtextextended(access::text, 0)::numeric), 0) AS hash
          FROM vault.access WHERE epoch <= up_to AND at >= (SELECT vault.compared_since())) AS a,
         (SELECT count(*) AS rows, coalesce(sum(hashtextextended(erasure::text, 0)::numeric), 0) AS hash
          FROM vault.erasure WHERE epoch <= up_to) AS e,
         (SELECT count(*) AS bare FROM vault.data_key AS d
          WHERE d.epoch <= up_to AND NOT EXISTS (SELECT FROM vault.wrap AS r WHERE r.data_key = d.id)
            AND NOT EXISTS (SELECT FROM vault.erasure AS x WHERE x.data_key = d.id)) AS w
$$;

-- Where a page that begins after `after` begins among the rows of one kind: at the first, behind the one named, or nowhere.
CREATE OR REPLACE FUNCTION vault.page_start(after text, kind text) RETURNS uuid
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN split_part(after, ':', 1) = kind THEN split_part(after, ':', 2)::uuid
        WHEN split_part(after, ':', 1) COLLATE "C" < kind COLLATE "C" THEN '00000000-0000-0000-0000-000000000000'::uuid
        ELSE 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid END
$$;

-- What a vault holds, a page at a time: kind by kind, in the order of their identifiers.
CREATE OR REPLACE FUNCTION trimaran.held_payments(after text, most integer) RETURNS TABLE (idempotency_key text, id text)
LANGUAGE sql STABLE AS $$
    SELECT h.kind || ':' || h.name, h.id::text
    FROM ((SELECT 'access' AS kind, a.id AS name, a.id FROM vault.access AS a
           WHERE a.id > vault.page_start(after, 'access') AND a.at >= (SELECT vault.compared_since()) ORDER BY a.id LIMIT most)
          UNION ALL
          (SELECT 'data_key', k.subject, k.id FROM vault.data_key AS k
           WHERE k.subject > vault.page_start(after, 'data_key') ORDER BY k.subject LIMIT most)
          UNION ALL
          (SELECT 'erasure', e.data_key, e.id FROM vault.erasure AS e
           WHERE e.data_key > vault.page_start(after, 'erasure') ORDER BY e.data_key LIMIT most)
          UNION ALL
          (SELECT 'token', t.idempotency_key, t.id FROM vault.token AS t
           WHERE t.idempotency_key > vault.page_start(after, 'token') ORDER BY t.idempotency_key LIMIT most)) AS h
    ORDER BY h.kind COLLATE "C", h.name LIMIT most
$$;

-- Which of these rows a vault lacks; superseded: it has another one of the same name, so the client was served.
CREATE OR REPLACE FUNCTION trimaran.lacking_payments(keys text[], ids text[]) RETURNS TABLE (idempotency_key text, superseded boolean)
LANGUAGE sql STABLE AS $$
    SELECT asked.key, mine.id IS NOT NULL
    FROM (SELECT u.key, u.id, split_part(u.key, ':', 1) AS kind, split_part(u.key, ':', 2)::uuid AS name
          FROM unnest(keys, ids) AS u (key, id)) AS asked
    LEFT JOIN vault.access AS a ON asked.kind = 'access' AND a.id = asked.name
    LEFT JOIN vault.data_key AS k ON asked.kind = 'data_key' AND k.subject = asked.name
    LEFT JOIN vault.erasure AS e ON asked.kind = 'erasure' AND e.data_key = asked.name
    LEFT JOIN vault.token AS t ON asked.kind = 'token' AND t.idempotency_key = asked.name
    CROSS JOIN LATERAL (SELECT coalesce(a.id, k.id, e.id, t.id) AS id) AS mine
    WHERE mine.id::text IS DISTINCT FROM asked.id
$$;

-- These rows, for a person: identifiers and ciphertext.
CREATE OR REPLACE FUNCTION trimaran.described_payments(keys text[]) RETURNS TABLE (idempotency_key text, epoch bigint, body jsonb)
LANGUAGE sql STABLE AS $$
    WITH asked AS (SELECT u.key, split_part(u.key, ':', 1) AS kind, split_part(u.key, ':', 2)::uuid AS name FROM unnest(keys) AS u (key))
    SELECT asked.key, a.epoch, jsonb_build_object('access', a.id, 'token', a.token, 'action', a.action)
    FROM asked JOIN vault.access AS a ON asked.kind = 'access' AND a.id = asked.name
    UNION ALL
    SELECT asked.key, k.epoch, jsonb_build_object('data_key', k.id, 'subject', k.subject)
    FROM asked JOIN vault.data_key AS k ON asked.kind = 'data_key' AND k.subject = asked.name
    UNION ALL
    SELECT asked.key, e.epoch, jsonb_build_object('erasure', e.id, 'data_key', e.data_key, 'subject', e.subject)
    FROM asked JOIN vault.erasure AS e ON asked.kind = 'erasure' AND e.data_key = asked.name
    UNION ALL
    SELECT asked.key, t.epoch, jsonb_build_object(
        'token', t.id, 'data_key', t.data_key, 'kind', t.kind, 'sealed', encode(t.sealed, 'hex'), 'hint', encode(t.hint, 'hex'))
    FROM asked JOIN vault.token AS t ON asked.kind = 'token' AND t.idempotency_key = asked.name
$$;
