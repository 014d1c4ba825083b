-- References include the organization, so that not even raw SQL can name rows of another one. A
-- purged robot takes its tasks along: their parts go with them, the movements stay.
ALTER TABLE parts
    ADD CONSTRAINT fk_parts_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id);

ALTER TABLE part_stocks
    ADD CONSTRAINT fk_part_stocks_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_part_stocks_part
        FOREIGN KEY (organization_id, part_id) REFERENCES parts (organization_id, id),
    ADD CONSTRAINT fk_part_stocks_facility
        FOREIGN KEY (organization_id, facility_id) REFERENCES facilities (organization_id, id);

ALTER TABLE part_movements
    ADD CONSTRAINT fk_part_movements_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_part_movements_part
        FOREIGN KEY (organization_id, part_id) REFERENCES parts (organization_id, id),
    ADD CONSTRAINT fk_part_movements_stock
        FOREIGN KEY (organization_id, stock_id) REFERENCES part_stocks (organization_id, id),
    ADD CONSTRAINT fk_part_movements_task
        FOREIGN KEY (organization_id, task_id) REFERENCES maintenance_tasks (organization_id, id)
        ON DELETE SET NULL (task_id),
    ADD CONSTRAINT fk_part_movements_user FOREIGN KEY (user_id) REFERENCES users (id);

ALTER TABLE task_parts
    ADD CONSTRAINT fk_task_parts_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_task_parts_task
        FOREIGN KEY (organization_id, task_id) REFERENCES maintenance_tasks (organization_id, id)
        ON DELETE CASCADE,
    ADD CONSTRAINT fk_task_parts_stock
        FOREIGN KEY (organization_id, stock_id) REFERENCES part_stocks (organization_id, id);

-- Movements are a ledger: the application adds rows, and cannot change them. A deleted task leaves
-- its movements through its reference, with the rights of the owner.
REVOKE UPDATE, DELETE ON part_movements FROM urfmp_app;

CREATE TRIGGER update_parts_updated_at
    BEFORE UPDATE ON parts
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE TRIGGER update_part_stocks_updated_at
    BEFORE UPDATE ON part_stocks
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
