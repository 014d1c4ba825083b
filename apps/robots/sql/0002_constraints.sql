ALTER TABLE robots
    ADD CONSTRAINT fk_robots_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id);

-- fk_commands_robot is the specified foreign key; the second one rejects a robot of another
-- organization, even in raw SQL.
ALTER TABLE robot_commands
    ADD CONSTRAINT fk_commands_robot
        FOREIGN KEY (robot_id) REFERENCES robots (id) ON DELETE CASCADE,
    ADD CONSTRAINT fk_commands_user FOREIGN KEY (user_id) REFERENCES users (id),
    ADD CONSTRAINT fk_commands_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_commands_organization_robot
        FOREIGN KEY (organization_id, robot_id) REFERENCES robots (organization_id, id)
        ON DELETE CASCADE;

CREATE TRIGGER update_robots_updated_at
    BEFORE UPDATE ON robots
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

-- robots.location contains the name of the facility. Renaming a facility updates its robots; a
-- facility with robots cannot be deleted.
CREATE FUNCTION keep_facility_of_robots() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        UPDATE robots SET location = jsonb_set(location, '{facility}', to_jsonb(NEW.name))
        WHERE organization_id = NEW.organization_id
          AND location @> jsonb_build_object('facility', OLD.name);
        RETURN NEW;
    END IF;
    IF EXISTS (
        SELECT FROM robots
        WHERE organization_id = OLD.organization_id
          AND location @> jsonb_build_object('facility', OLD.name)
    ) THEN
        RAISE EXCEPTION 'Facility % still has robots.', OLD.name
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'robots_facility';
    END IF;
    RETURN OLD;
END;
$$;

CREATE TRIGGER keep_facility_of_robots_trigger
    BEFORE DELETE OR UPDATE OF name ON facilities
    FOR EACH ROW EXECUTE FUNCTION keep_facility_of_robots();

-- organization_id is not in the specification. A row written without it gets it from its robot, else
-- from its user, else from the transaction.
CREATE FUNCTION fill_organization_id() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    entry jsonb := to_jsonb(NEW);
BEGIN
    NEW.organization_id := coalesce(
        (SELECT organization_id FROM robots WHERE id = (entry ->> 'robot_id')::uuid),
        (SELECT organization_id FROM users
         WHERE id = coalesce(entry ->> 'user_id', entry ->> 'created_by')::uuid),
        nullif(current_setting('app.organization_id', true), '')::uuid);
    RETURN NEW;
END;
$$;

CREATE TRIGGER fill_organization_id_trigger
    BEFORE INSERT ON robot_commands
    FOR EACH ROW WHEN (NEW.organization_id IS NULL) EXECUTE FUNCTION fill_organization_id();
