-- A hard delete of robots locks them and then deletes their rollups; the worker locks rollups and then
-- reads their robots. To prevent a deadlock, a delete acquires the worker's lock first: rollups_lock()
-- of the transaction's organization, or of all organizations, in order, for the table owner, who has
-- none.
CREATE FUNCTION robots_delete_in_turn() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    own uuid := nullif(current_setting('app.organization_id', true), '')::uuid;
    organization uuid;
BEGIN
    FOR organization IN
        SELECT own WHERE own IS NOT NULL
        UNION ALL
        (SELECT o.id FROM organizations o WHERE own IS NULL ORDER BY o.id)
    LOOP
        PERFORM pg_advisory_xact_lock(hashtextextended('telemetry-rollups:' || organization, 0));
    END LOOP;
    RETURN NULL;
END;
$$;

CREATE TRIGGER robots_delete_in_turn_trigger
    BEFORE DELETE ON robots
    FOR EACH STATEMENT EXECUTE FUNCTION robots_delete_in_turn();
