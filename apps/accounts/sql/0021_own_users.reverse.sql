DROP FUNCTION require_own_users();
ALTER TABLE second_factors DROP CONSTRAINT fk_second_factors_organization_user;
ALTER TABLE one_time_links DROP CONSTRAINT fk_links_organization_user;
ALTER TABLE user_sessions DROP CONSTRAINT fk_sessions_organization_user;
