-- How often each index was used. A hypertable's chunks have indexes of their own: they count for
-- the hypertable's index with the same columns, order, uniqueness and condition.
WITH shapes AS (
    SELECT
        i.indexrelid,
        i.indrelid,
        coalesce(h.inhparent, i.indrelid) AS parent,
        (
            SELECT array_agg(pg_get_indexdef(i.indexrelid, n, true) || ' ' || i.indoption[n - 1])
            FROM generate_series(1, i.indnkeyatts) AS n
        ) AS columns,
        i.indisunique,
        coalesce(pg_get_expr(i.indpred, i.indrelid), '') AS condition
    FROM pg_catalog.pg_index i
    LEFT JOIN pg_catalog.pg_inherits h ON h.inhrelid = i.indrelid
)
SELECT
    s.schemaname,
    s.relname AS tablename,
    s.indexrelname AS indexname,
    sum(u.idx_scan)::bigint AS idx_scan,
    sum(u.idx_tup_read)::bigint AS idx_tup_read,
    sum(u.idx_tup_fetch)::bigint AS idx_tup_fetch
FROM pg_catalog.pg_stat_user_indexes s
JOIN shapes own ON own.indexrelid = s.indexrelid
JOIN shapes part ON part.indexrelid = own.indexrelid
    OR (part.parent = own.indrelid AND part.indrelid <> own.indrelid
        AND (part.columns, part.indisunique, part.condition)
            = (own.columns, own.indisunique, own.condition))
JOIN pg_catalog.pg_stat_user_indexes u ON u.indexrelid = part.indexrelid
WHERE s.schemaname = 'public'
GROUP BY s.schemaname, s.relname, s.indexrelname
ORDER BY idx_scan DESC, tablename, indexname
