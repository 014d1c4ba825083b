ALTER TABLE users
    ADD CONSTRAINT fk_users_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id);

ALTER TABLE user_sessions
    ADD CONSTRAINT fk_sessions_user
        FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    ADD CONSTRAINT fk_sessions_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id);

-- Deleting a robot deletes its device keys. The composite foreign key keeps robot and key in one
-- organization.
ALTER TABLE api_keys
    ADD CONSTRAINT fk_api_keys_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_api_keys_user FOREIGN KEY (user_id) REFERENCES users (id),
    ADD CONSTRAINT fk_api_keys_robot
        FOREIGN KEY (organization_id, robot_id) REFERENCES robots (organization_id, id)
        ON DELETE CASCADE;

CREATE TRIGGER update_users_updated_at
    BEFORE UPDATE ON users
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

CREATE TRIGGER fill_organization_id_trigger
    BEFORE INSERT ON user_sessions
    FOR EACH ROW WHEN (NEW.organization_id IS NULL) EXECUTE FUNCTION fill_organization_id();
