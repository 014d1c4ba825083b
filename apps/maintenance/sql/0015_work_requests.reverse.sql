DROP FUNCTION robot_label_credential(text);
DROP TRIGGER update_work_requests_updated_at ON work_requests;
ALTER TABLE work_requests
    DROP CONSTRAINT fk_work_requests_reviewed,
    DROP CONSTRAINT fk_work_requests_user,
    DROP CONSTRAINT fk_work_requests_task,
    DROP CONSTRAINT fk_work_requests_robot,
    DROP CONSTRAINT fk_work_requests_organization;
ALTER TABLE robot_labels
    DROP CONSTRAINT fk_robot_labels_robot,
    DROP CONSTRAINT fk_robot_labels_organization;
