DROP TRIGGER fill_organization_id_trigger ON user_sessions;
DROP TRIGGER update_users_updated_at ON users;
ALTER TABLE api_keys
    DROP CONSTRAINT fk_api_keys_robot,
    DROP CONSTRAINT fk_api_keys_user,
    DROP CONSTRAINT fk_api_keys_organization;
ALTER TABLE user_sessions
    DROP CONSTRAINT fk_sessions_organization,
    DROP CONSTRAINT fk_sessions_user;
ALTER TABLE users DROP CONSTRAINT fk_users_organization;
