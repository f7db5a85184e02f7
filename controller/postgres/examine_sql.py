"""What a check-up asks a server, as text. Catalogues and statistics only; each statement answers one JSON document or one word."""

INSTALLED = "SELECT to_regprocedure('trimaran.facts()') IS NOT NULL"

SYSTEM = "SELECT system_identifier::text FROM pg_control_system()"

# What a parameter would be in a new session, whatever this one was told: reset_val.
SERVER = """
SELECT jsonb_build_object(
    'version', current_setting('server_version_num')::int,
    'tls', (SELECT jsonb_build_object('encrypted', s.ssl, 'version', s.version) FROM pg_stat_ssl AS s WHERE s.pid = pg_backend_pid()),
    'slots', (SELECT count(*) FROM pg_replication_slots),
    'senders', (SELECT count(*) FROM pg_stat_replication),
    'workers', (SELECT count(*) FROM pg_stat_subscription AS w WHERE w.pid IS NOT NULL),
    'connections', CASE WHEN pg_has_role('pg_read_all_stats', 'USAGE') THEN (
        SELECT count(*) FROM pg_stat_activity AS a WHERE a.backend_type = 'client backend') END,
    'parameters', (
        SELECT coalesce(jsonb_object_agg(p.name, jsonb_build_object(
            'value', p.reset_val, 'restarts', p.context = 'postmaster', 'pending', p.pending_restart)), '{}')
        FROM pg_settings AS p WHERE p.name = ANY (%s) AND p.reset_val IS NOT NULL),
    'overrides', (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'role', coalesce(r.rolname, 'every role'), 'name', split_part(c, '=', 1), 'value', substr(c, strpos(c, '=') + 1))), '[]')
        FROM pg_db_role_setting AS s LEFT JOIN pg_roles AS r ON r.oid = s.setrole CROSS JOIN unnest(s.setconfig) AS c
        WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()))
          AND (s.setrole = 0 OR has_database_privilege(s.setrole, current_database(), 'CONNECT'))
          AND split_part(c, '=', 1) = ANY (%s)))
"""

# Rights that every step needs, each in words for the person who has to grant it.
RIGHTS = """
WITH published AS (
    SELECT c.oid, format('%%I.%%I', n.nspname, c.relname) AS name
    FROM pg_publication AS p JOIN pg_publication_rel AS m ON m.prpubid = p.oid JOIN pg_class AS c ON c.oid = m.prrelid
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE p.pubname = %(publication)s
), me AS (
    SELECT r.oid, r.rolname, r.rolsuper, r.rolreplication FROM pg_roles AS r WHERE r.rolname = current_user
), needed (what, has) AS (
    SELECT 'make and move slots (REPLICATION)', me.rolreplication OR me.rolsuper FROM me
    UNION ALL
    SELECT 'act as ' || g.name, to_regrole(g.name) IS NOT NULL AND pg_has_role(to_regrole(g.name)::oid, 'USAGE')
    FROM unnest('{pg_create_subscription,pg_signal_backend,pg_monitor}'::text[]) AS g (name)
    UNION ALL
    SELECT 'call ' || f.name, has_function_privilege(f.name, 'EXECUTE')
    FROM unnest(ARRAY['pg_replication_origin_progress(text, boolean)', 'pg_control_system()']) AS f (name)
    UNION ALL
    SELECT 'make subscriptions in this database (CREATE)', has_database_privilege(current_database(), 'CREATE')
    UNION ALL
    SELECT 'act as the owner of ' || t.name, pg_has_role(c.relowner, 'USAGE') FROM published AS t JOIN pg_class AS c ON c.oid = t.oid
    UNION ALL
    SELECT 'act as the owner of publication ' || p.pubname, pg_has_role(p.pubowner, 'USAGE')
    FROM pg_publication AS p WHERE p.pubname = %(publication)s
    UNION ALL
    SELECT 'act as the owner of subscription ' || s.subname, pg_has_role(s.subowner, 'USAGE')
    FROM pg_subscription AS s WHERE s.subdbid = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
), role AS (
    SELECT r.*, has_database_privilege(r.oid, current_database(), 'CONNECT') AS connects,
        coalesce(r.rolconfig @> '{default_transaction_read_only=on}', false) AS reads,
        ARRAY(SELECT 'is the owner of ' || t.name FROM published AS t JOIN pg_class AS c ON c.oid = t.oid
              WHERE pg_has_role(r.oid, c.relowner, 'MEMBER')) AS owns,
        CASE WHEN pg_has_role(r.oid, me.oid, 'MEMBER') AND r.oid <> me.oid THEN ARRAY['may become ' || me.rolname] ELSE '{}' END AS becomes,
        CASE WHEN has_parameter_privilege(r.oid, 'session_replication_role', 'SET')
             THEN ARRAY['may set session_replication_role'] ELSE '{}' END AS bypasses,
        CASE WHEN has_table_privilege(r.oid, to_regclass('trimaran.node')::oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
             THEN ARRAY['may change trimaran.node'] ELSE '{}' END AS rewrites
    FROM pg_roles AS r, me WHERE r.rolname IN (%(stream)s, %(app)s)
)
SELECT jsonb_build_object(
    'user', me.rolname, 'superuser', me.rolsuper,
    'lacks', (SELECT coalesce(jsonb_agg(n.what), '[]') FROM needed AS n WHERE n.has IS NOT TRUE),
    'roles', (
        SELECT coalesce(jsonb_object_agg(r.rolname, jsonb_build_object(
            'login', r.rolcanlogin, 'superuser', r.rolsuper, 'replication', r.rolreplication, 'connects', r.connects, 'reads', r.reads,
            'powers', to_jsonb(r.owns || r.becomes || r.bypasses || r.rewrites || CASE WHEN r.rolname = %(stream)s THEN ARRAY(
                SELECT 'may write ' || t.name FROM published AS t
                WHERE has_table_privilege(r.oid, t.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'))
                ELSE '{}' END),
            'lacks', to_jsonb(CASE WHEN r.rolname = %(stream)s THEN ARRAY(
                SELECT 'read ' || t.name FROM published AS t JOIN pg_class AS c ON c.oid = t.oid
                WHERE NOT has_table_privilege(r.oid, t.oid, 'SELECT') OR NOT has_schema_privilege(r.oid, c.relnamespace, 'USAGE'))
                WHEN has_table_privilege(r.oid, to_regclass('trimaran.node')::oid, 'SELECT') THEN '{}'
                ELSE ARRAY['read trimaran.node'] END))),
            '{}')
        FROM role AS r))
FROM me
"""

# Bits of tgtype: 4 insert, 8 delete, 16 update. Enabled as O: for clients, and not for the apply worker.
LEDGER = """
SELECT jsonb_build_object(
    'publication', (
        SELECT jsonb_build_object('all_tables',
                p.puballtables OR EXISTS (SELECT FROM pg_publication_namespace AS s WHERE s.pnpubid = p.oid),
            'insert', p.pubinsert, 'update', p.pubupdate, 'delete', p.pubdelete, 'truncate', p.pubtruncate)
        FROM pg_publication AS p WHERE p.pubname = %(publication)s),
    'tables', (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'name', format('%%I.%%I', n.nspname, c.relname), 'identity', c.relreplident,
            'key', EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indisvalid),
            'guarded', EXISTS (SELECT FROM pg_trigger AS g WHERE g.tgrelid = c.oid AND g.tgenabled = 'O'
                AND g.tgfoid = to_regprocedure('trimaran.guard()') AND g.tgtype & 28 = 28 AND g.tgqual IS NULL),
            'numbered', (SELECT coalesce(jsonb_agg(a.attname), '[]') FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d
                ON d.adrelid = a.attrelid AND d.adnum = a.attnum
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                  AND (a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE '%%nextval(%%')),
            'narrowed', m.prqual IS NOT NULL OR m.prattrs IS NOT NULL) ORDER BY n.nspname, c.relname), '[]')
        FROM pg_publication AS p JOIN pg_publication_rel AS m ON m.prpubid = p.oid JOIN pg_class AS c ON c.oid = m.prrelid
            JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE p.pubname = %(publication)s))
"""

# Spares as trimaran.spares() has them, but from catalogues alone: pg_publication_tables opens every table, and waits for whoever holds it.
STREAMS = """
SELECT jsonb_build_object(
    'spares', (
        SELECT coalesce(jsonb_agg(s.subname), '[]') FROM pg_subscription AS s
        WHERE s.subdbid = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()) AND NOT s.subenabled
          AND NOT EXISTS (
            SELECT FROM pg_publication AS p JOIN pg_publication_rel AS m ON m.prpubid = p.oid
            WHERE p.pubname = ANY (s.subpublications) AND NOT EXISTS (
                SELECT FROM pg_subscription_rel AS r WHERE r.srsubid = s.oid AND r.srrelid = m.prrelid AND r.srsubstate = 'r'))),
    'taps', (
        SELECT coalesce(jsonb_agg(jsonb_build_object('name', s.subname, 'synchronous_commit', s.subsynccommit, 'origin', s.suborigin,
            'streaming', s.substream, 'errors', coalesce(e.apply_error_count + e.sync_error_count, 0))), '[]')
        FROM pg_subscription AS s LEFT JOIN pg_stat_subscription_stats AS e ON e.subid = s.oid
        WHERE s.subdbid = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())),
    'senders', (
        SELECT coalesce(jsonb_agg(jsonb_build_object('name', r.slot_name, 'encrypted', t.ssl)), '[]')
        FROM pg_replication_slots AS r LEFT JOIN pg_stat_ssl AS t ON t.pid = r.active_pid
        WHERE r.database = current_database() AND r.active))
"""
