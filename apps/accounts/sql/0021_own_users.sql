-- Users that a row names belong to its organization. Sessions, links and second factors are always
-- of a user's own organization, which composite keys express. Elsewhere platform staff may act, in
-- every organization: a trigger knows this exception.
ALTER TABLE user_sessions ADD CONSTRAINT fk_sessions_organization_user
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id) ON DELETE CASCADE;
ALTER TABLE one_time_links ADD CONSTRAINT fk_links_organization_user
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id) ON DELETE CASCADE;
ALTER TABLE second_factors ADD CONSTRAINT fk_second_factors_organization_user
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id) ON DELETE CASCADE;

-- Trigger arguments: the columns that name users. It runs as the owner, because the policies hide
-- users of other organizations; a user that does not exist is left to the foreign key.
CREATE FUNCTION require_own_users() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    entry jsonb := to_jsonb(NEW);
    reference text;
BEGIN
    FOREACH reference IN ARRAY TG_ARGV LOOP
        IF EXISTS (
            SELECT FROM users u JOIN organizations o ON o.id = u.organization_id
            WHERE u.id = (entry ->> reference)::uuid
              AND u.organization_id <> NEW.organization_id AND o.slug <> 'platform') THEN
            RAISE EXCEPTION '%.% names a user of another organization.', TG_TABLE_NAME, reference
                USING ERRCODE = 'foreign_key_violation', TABLE = TG_TABLE_NAME, COLUMN = reference;
        END IF;
    END LOOP;
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION require_own_users() FROM PUBLIC;
