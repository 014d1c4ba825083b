-- Storage statistics, estimated from rollups of sampled series, so that they take constant time
-- however many points there are.

-- Statistics of one organization's visible series: their number, how many were sampled, and for all
-- of them: total points, points per second in the last hour and the last day, and points on each of
-- the last 30 days. Exact up to `most` series.
CREATE FUNCTION storage_numbers(organization uuid, most integer)
RETURNS TABLE (what text, at timestamptz, points double precision)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, public, pg_temp AS $$
    WITH counted AS MATERIALIZED (
        SELECT count(*)::double precision AS series FROM telemetry_latest l
        WHERE l.organization_id = organization
    ), sample AS MATERIALIZED (
        SELECT l.robot_id, l.metric_name FROM telemetry_latest l, counted c
        WHERE l.organization_id = organization AND random() < most / greatest(c.series, 1)
    ), scale AS MATERIALIZED (
        SELECT c.series, s.sampled, c.series / greatest(s.sampled, 1) AS factor
        FROM counted c, (SELECT count(*)::double precision AS sampled FROM sample) s
    ), days AS MATERIALIZED (
        SELECT d.bucket, sum(d.count)::double precision AS points FROM sample s
        CROSS JOIN LATERAL (
            SELECT t.bucket, t.count FROM telemetry_days t
            WHERE t.robot_id = s.robot_id AND t.metric_name = s.metric_name) AS d
        GROUP BY d.bucket
    )
    SELECT 'series', NULL::timestamptz, series FROM scale
    UNION ALL SELECT 'sampled', NULL, sampled FROM scale
    UNION ALL SELECT 'all', min(bucket), coalesce(sum(points), 0) * min(factor)
        FROM scale LEFT JOIN days ON true
    UNION ALL SELECT 'of_day', bucket, points * factor FROM days, scale
        WHERE bucket > now() - interval '30 days'
    UNION ALL SELECT 'hour', NULL, coalesce(sum(m.points), 0) * min(scale.factor)
        / extract(epoch FROM now() - date_trunc('minute', now() - interval '59 minutes'))
        FROM scale LEFT JOIN sample s ON true LEFT JOIN LATERAL (
            SELECT sum(t.count) AS points FROM telemetry_minutes t
            WHERE t.robot_id = s.robot_id AND t.metric_name = s.metric_name
              AND t.bucket >= date_trunc('minute', now() - interval '59 minutes')) AS m ON true
    UNION ALL SELECT 'day', NULL, coalesce(sum(h.points), 0) * min(scale.factor)
        / extract(epoch FROM now() - date_trunc('hour', now() - interval '23 hours'))
        FROM scale LEFT JOIN sample s ON true LEFT JOIN LATERAL (
            SELECT sum(t.count) AS points FROM telemetry_hours t
            WHERE t.robot_id = s.robot_id AND t.metric_name = s.metric_name
              AND t.bucket >= date_trunc('hour', now() - interval '23 hours')) AS h ON true;
$$;

-- The same for every organization; only for users of the platform organization.
CREATE FUNCTION storage_of_organizations(most integer)
RETURNS TABLE (name text, slug text, settings jsonb, what text, points double precision)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT o.name, o.slug, o.settings, n.what, n.points
    FROM organizations o
    CROSS JOIN LATERAL storage_numbers(o.id, most) AS n
    WHERE n.what IN ('series', 'all', 'hour', 'day')
      AND EXISTS (
        SELECT FROM organizations own
        WHERE own.id = nullif(current_setting('app.organization_id', true), '')::uuid
          AND own.slug = 'platform')
    ORDER BY o.name, o.id;
$$;

REVOKE ALL ON FUNCTION storage_of_organizations(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION storage_of_organizations(integer) TO urfmp_app;
