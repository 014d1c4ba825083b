DROP TRIGGER update_part_stocks_updated_at ON part_stocks;
DROP TRIGGER update_parts_updated_at ON parts;
GRANT UPDATE, DELETE ON part_movements TO urfmp_app;
ALTER TABLE task_parts
    DROP CONSTRAINT fk_task_parts_stock,
    DROP CONSTRAINT fk_task_parts_task,
    DROP CONSTRAINT fk_task_parts_organization;
ALTER TABLE part_movements
    DROP CONSTRAINT fk_part_movements_user,
    DROP CONSTRAINT fk_part_movements_task,
    DROP CONSTRAINT fk_part_movements_stock,
    DROP CONSTRAINT fk_part_movements_part,
    DROP CONSTRAINT fk_part_movements_organization;
ALTER TABLE part_stocks
    DROP CONSTRAINT fk_part_stocks_facility,
    DROP CONSTRAINT fk_part_stocks_part,
    DROP CONSTRAINT fk_part_stocks_organization;
ALTER TABLE parts
    DROP CONSTRAINT fk_parts_organization;
