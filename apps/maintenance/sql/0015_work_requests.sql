-- A purged robot takes its label and its requests along; a deleted task leaves its request.
ALTER TABLE robot_labels
    ADD CONSTRAINT fk_robot_labels_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_robot_labels_robot
        FOREIGN KEY (organization_id, robot_id) REFERENCES robots (organization_id, id)
        ON DELETE CASCADE;

ALTER TABLE work_requests
    ADD CONSTRAINT fk_work_requests_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_work_requests_robot
        FOREIGN KEY (organization_id, robot_id) REFERENCES robots (organization_id, id)
        ON DELETE CASCADE,
    ADD CONSTRAINT fk_work_requests_task
        FOREIGN KEY (organization_id, task_id) REFERENCES maintenance_tasks (organization_id, id)
        ON DELETE SET NULL (task_id),
    ADD CONSTRAINT fk_work_requests_user FOREIGN KEY (user_id) REFERENCES users (id),
    ADD CONSTRAINT fk_work_requests_reviewed FOREIGN KEY (reviewed_by) REFERENCES users (id);

CREATE TRIGGER update_work_requests_updated_at
    BEFORE UPDATE ON work_requests
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

-- A label is scanned before its organization is known. Retired robots accept no requests.
CREATE FUNCTION robot_label_credential(digest text)
RETURNS TABLE (id uuid, organization_id uuid, robot_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT l.id, l.organization_id, l.robot_id
    FROM robot_labels l
    JOIN organizations o ON o.id = l.organization_id AND o.is_active
    JOIN robots r ON r.id = l.robot_id AND r.is_active
    WHERE l.token_digest = digest;
$$;
REVOKE ALL ON FUNCTION robot_label_credential(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION robot_label_credential(text) TO urfmp_app;
