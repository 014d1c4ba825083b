ALTER TABLE second_factors
    ADD CONSTRAINT fk_second_factors_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_second_factors_user
        FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE;
