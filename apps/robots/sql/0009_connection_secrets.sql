-- Secrets of connection settings are stored encrypted, and the audit log shows which was replaced.

-- Whether connection settings have the known keys, and each secret the form of an encrypted one:
-- version, number of the key, and nonce, text and tag in base64.
CREATE FUNCTION is_connection_config(config jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog AS $$
    SELECT CASE
        WHEN jsonb_typeof(config) <> 'object' THEN false
        WHEN config - '{protocol,host,port,path,username,use_tls,settings,secrets}'::text[] <> '{}'
            THEN false
        WHEN NOT config ? 'secrets' THEN true
        WHEN jsonb_typeof(config -> 'secrets') <> 'object' THEN false
        WHEN (config -> 'secrets') - '{password,token,private_key}'::text[] <> '{}' THEN false
        ELSE NOT EXISTS (
            SELECT FROM jsonb_each(config -> 'secrets') AS secret
            WHERE CASE WHEN jsonb_typeof(secret.value) <> 'object' THEN true
                ELSE secret.value - '{value,set_at}'::text[] <> '{}'
                    OR NOT secret.value ? 'set_at'
                    OR coalesce(secret.value ->> 'value', '') !~ '^v1\.[0-9]+\.[A-Za-z0-9_-]{38,}=*$'
                END)
    END;
$$;

-- No version has written this column before. Other content may be a secret in plain text.
UPDATE robots SET connection_config = NULL WHERE NOT is_connection_config(connection_config);
ALTER TABLE robots
    ADD CONSTRAINT robots_connection_config_check CHECK (is_connection_config(connection_config));

DROP TRIGGER audit_row_trigger ON robots;
CREATE TRIGGER audit_row_trigger
    AFTER INSERT OR UPDATE OR DELETE ON robots
    FOR EACH ROW EXECUTE FUNCTION audit_row(
        'robots.robot', 'organization_id',
        '{last_seen,lease_expires_at,presence_lost_at,reported_at,reported_status,status,version}',
        '{connection_config.secrets.password.value,connection_config.secrets.token.value,connection_config.secrets.private_key.value}');
