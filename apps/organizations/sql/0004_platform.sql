-- The list of all organizations, for super admins in their home organization. Row-level security
-- hides it from all other users; this function alone bypasses it, and returns names and counts.
CREATE FUNCTION platform_organizations()
RETURNS TABLE (
    id uuid, name varchar, slug varchar, plan varchar, is_active boolean, created_at timestamptz,
    robot_count bigint, user_count bigint, api_key_count bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
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
        SELECT o.id, o.name, o.slug, coalesce(o.plan, 'free'), coalesce(o.is_active, false), o.created_at,
               coalesce(r.number, 0), coalesce(u.number, 0), coalesce(k.number, 0)
        FROM organizations o
        LEFT JOIN (SELECT organization_id, count(*) AS number FROM robots
                   WHERE is_active GROUP BY organization_id) r ON r.organization_id = o.id
        LEFT JOIN (SELECT organization_id, count(*) AS number FROM users
                   WHERE is_active AND NOT is_system GROUP BY organization_id) u
            ON u.organization_id = o.id
        LEFT JOIN (SELECT organization_id, count(*) AS number FROM api_keys
                   WHERE is_active AND (expires_at IS NULL OR expires_at > now())
                   GROUP BY organization_id) k ON k.organization_id = o.id
        WHERE o.slug <> 'platform';
END;
$$;
REVOKE ALL ON FUNCTION platform_organizations() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION platform_organizations() TO urfmp_app;

CREATE VIEW platform_organizations WITH (security_invoker = true) AS
    SELECT * FROM platform_organizations();
REVOKE INSERT, UPDATE, DELETE ON platform_organizations FROM urfmp_app;
