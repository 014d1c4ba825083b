-- How large each table is with its indexes; a hypertable together with its chunks.
SELECT
    t.schemaname,
    t.tablename,
    h.num_chunks AS chunks,
    sizes.bytes,
    pg_size_pretty(sizes.bytes) AS size
FROM pg_catalog.pg_tables t
LEFT JOIN timescaledb_information.hypertables h
    ON h.hypertable_schema = t.schemaname AND h.hypertable_name = t.tablename
CROSS JOIN LATERAL (SELECT format('%I.%I', t.schemaname, t.tablename)::regclass AS relation) AS named
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN h.hypertable_name IS NULL THEN pg_total_relation_size(named.relation)
        ELSE hypertable_size(named.relation)
    END AS bytes
) AS sizes
WHERE t.schemaname = 'public'
ORDER BY bytes DESC, t.tablename
