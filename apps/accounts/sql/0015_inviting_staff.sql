-- Row-level security hides platform staff from the organization into which they invite.
CREATE FUNCTION is_super_admin(staff uuid)
RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM users u
        JOIN organizations o ON o.id = u.organization_id
        WHERE u.id = staff AND u.role = 'super_admin' AND u.is_active
          AND o.slug = 'platform' AND o.is_active
    );
$$;
REVOKE ALL ON FUNCTION is_super_admin(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION is_super_admin(uuid) TO urfmp_app;
