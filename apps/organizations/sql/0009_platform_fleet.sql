-- Robots and open alerts of each organization, for the super admins' home page.
CREATE FUNCTION platform_fleet()
    RETURNS TABLE (id uuid, connected_count bigint, open_alert_count bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp
    AS $$
#variable_conflict use_column
BEGIN
    IF NOT EXISTS (
        SELECT FROM users u
        JOIN organizations o ON o.id = u.organization_id
        WHERE u.id = nullif(current_setting('app.user_id', true), '')::uuid
          AND u.role = 'super_admin' AND u.is_active
          AND o.slug = 'platform' AND o.is_active
          AND o.id = nullif(current_setting('app.organization_id', true), '')::uuid
    ) THEN
        RAISE EXCEPTION 'Only a super admin sees the organizations of the platform, and at home.'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN QUERY
        SELECT o.id, coalesce(r.number, 0), coalesce(a.number, 0)
        FROM organizations o
        LEFT JOIN (SELECT organization_id, count(*) AS number FROM robots
                   WHERE is_active AND status <> 'offline' GROUP BY organization_id) r
            ON r.organization_id = o.id
        LEFT JOIN (SELECT organization_id, count(*) AS number FROM alerts
                   WHERE NOT is_resolved GROUP BY organization_id) a
            ON a.organization_id = o.id
        WHERE o.slug <> 'platform';
END;
$$;
REVOKE ALL ON FUNCTION platform_fleet() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION platform_fleet() TO urfmp_app;
