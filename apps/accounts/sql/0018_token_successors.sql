-- Concurrent refreshes used to create several rows for one token. Only one can be its successor.
ALTER TABLE user_sessions DISABLE TRIGGER audit_row_trigger;
UPDATE user_sessions s SET parent_id = NULL
WHERE EXISTS (SELECT FROM user_sessions o WHERE o.parent_id = s.parent_id AND o.id < s.id);
ALTER TABLE user_sessions ENABLE TRIGGER audit_row_trigger;

-- The time of the first use is activity, like the time of the last one.
DROP TRIGGER audit_row_trigger ON user_sessions;
CREATE TRIGGER audit_row_trigger
    AFTER INSERT OR UPDATE OR DELETE ON user_sessions
    FOR EACH ROW EXECUTE FUNCTION audit_row(
        'accounts.session', 'organization_id',
        '{data,last_activity_at,used_at}', '{session_token,refresh_token}');

DROP FUNCTION access_token_credential(text);
CREATE FUNCTION access_token_credential(token_digest text)
RETURNS TABLE (
    family_id uuid, user_id uuid, organization_id uuid, data jsonb,
    access_expires_at timestamptz, last_activity_at timestamptz,
    is_first_use boolean, token_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT root.id, s.user_id, s.organization_id, root.data,
           s.access_expires_at, root.last_activity_at,
           s.parent_id IS NOT NULL AND s.used_at IS NULL, s.id
    FROM user_sessions s
    JOIN user_sessions root ON root.id = s.family_id
    JOIN users u ON u.id = s.user_id AND u.is_active
    JOIN organizations o ON o.id = u.organization_id AND o.is_active
    WHERE s.session_token = token_digest AND s.access_expires_at > now();
$$;
REVOKE ALL ON FUNCTION access_token_credential(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION access_token_credential(text) TO urfmp_app;
