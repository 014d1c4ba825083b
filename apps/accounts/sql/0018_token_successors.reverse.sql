DROP FUNCTION access_token_credential(text);
CREATE FUNCTION access_token_credential(token_digest text)
RETURNS TABLE (
    family_id uuid, user_id uuid, organization_id uuid, data jsonb,
    access_expires_at timestamptz, last_activity_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT root.id, s.user_id, s.organization_id, root.data,
           s.access_expires_at, root.last_activity_at
    FROM user_sessions s
    JOIN user_sessions root ON root.id = s.family_id
    JOIN users u ON u.id = s.user_id AND u.is_active
    JOIN organizations o ON o.id = u.organization_id AND o.is_active
    WHERE s.session_token = token_digest AND s.access_expires_at > now();
$$;
REVOKE ALL ON FUNCTION access_token_credential(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION access_token_credential(text) TO urfmp_app;

DROP TRIGGER audit_row_trigger ON user_sessions;
CREATE TRIGGER audit_row_trigger
    AFTER INSERT OR UPDATE OR DELETE ON user_sessions
    FOR EACH ROW EXECUTE FUNCTION audit_row(
        'accounts.session', 'organization_id',
        '{data,last_activity_at}', '{session_token,refresh_token}');
