ALTER TABLE second_factors
    DROP CONSTRAINT fk_second_factors_user,
    DROP CONSTRAINT fk_second_factors_organization;
