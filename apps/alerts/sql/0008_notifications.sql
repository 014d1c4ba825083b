-- References include the organization, so that not even raw SQL can name a channel, route, facility,
-- robot or alert of another one. A channel in use cannot be deleted; its log goes with it.
ALTER TABLE notification_channels
    ADD CONSTRAINT fk_notification_channels_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT notification_channels_organization_id_key UNIQUE (organization_id, id);

-- No robot is in a facility that is deleted, so its routes and silences match nothing any more and
-- go with it.
ALTER TABLE notification_routes
    ADD CONSTRAINT fk_notification_routes_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_notification_routes_facility
        FOREIGN KEY (organization_id, facility_id) REFERENCES facilities (organization_id, id)
        ON DELETE CASCADE,
    ADD CONSTRAINT notification_routes_organization_id_key UNIQUE (organization_id, id);

ALTER TABLE notification_steps
    ADD CONSTRAINT fk_notification_steps_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_notification_steps_route
        FOREIGN KEY (organization_id, route_id) REFERENCES notification_routes (organization_id, id)
        ON DELETE CASCADE,
    ADD CONSTRAINT fk_notification_steps_channel
        FOREIGN KEY (organization_id, channel_id)
        REFERENCES notification_channels (organization_id, id);

ALTER TABLE notification_silences
    ADD CONSTRAINT fk_notification_silences_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_notification_silences_facility
        FOREIGN KEY (organization_id, facility_id) REFERENCES facilities (organization_id, id)
        ON DELETE CASCADE,
    ADD CONSTRAINT fk_notification_silences_robot
        FOREIGN KEY (organization_id, robot_id) REFERENCES robots (organization_id, id)
        ON DELETE CASCADE,
    ADD CONSTRAINT fk_notification_silences_author FOREIGN KEY (created_by) REFERENCES users (id);

ALTER TABLE notification_deliveries
    ADD CONSTRAINT fk_notification_deliveries_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_notification_deliveries_channel
        FOREIGN KEY (organization_id, channel_id)
        REFERENCES notification_channels (organization_id, id) ON DELETE CASCADE,
    ADD CONSTRAINT fk_notification_deliveries_route
        FOREIGN KEY (organization_id, route_id) REFERENCES notification_routes (organization_id, id)
        ON DELETE SET NULL (route_id),
    ADD CONSTRAINT fk_notification_deliveries_alert
        FOREIGN KEY (organization_id, alert_id) REFERENCES alerts (organization_id, id)
        ON DELETE CASCADE,
    ADD CONSTRAINT fk_notification_deliveries_user
        FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id);

ALTER TABLE notification_preferences
    ADD CONSTRAINT fk_notification_preferences_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_notification_preferences_user
        FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id)
        ON DELETE CASCADE;

CREATE TRIGGER update_notification_channels_updated_at BEFORE UPDATE ON notification_channels
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE TRIGGER update_notification_routes_updated_at BEFORE UPDATE ON notification_routes
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE TRIGGER update_notification_preferences_updated_at BEFORE UPDATE ON notification_preferences
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

-- Deliveries are a log themselves, which machines write all day: a policy without the audit trigger.
ALTER TABLE notification_deliveries ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant ON notification_deliveries
    USING (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid);

-- Organizations with pending deliveries, and the seconds until the next one is due. Deliveries that
-- another run of the sender was sending are due at once: only one run exists at a time.
CREATE FUNCTION notification_organizations(lease uuid)
RETURNS TABLE (organization_id uuid, seconds double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT d.organization_id,
        min(CASE WHEN d.state = 'sending' AND d.lease_id <> lease THEN 0
            ELSE extract(epoch FROM d.due_at - clock_timestamp()) END)::double precision
    FROM notification_deliveries AS d
    WHERE d.state IN ('queued', 'failed', 'sending')
    GROUP BY d.organization_id
$$;

-- Seconds for which the oldest pending delivery is due, critical ones and others. Those that were
-- tried and failed count from their first attempt if they are critical.
CREATE FUNCTION notification_backlog()
RETURNS TABLE (critical_seconds double precision, other_seconds double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT
        coalesce(greatest(0, max(extract(epoch FROM
            clock_timestamp() - least(d.due_at, d.first_attempt_at))
            ) FILTER (WHERE d.lane = 0)), 0)::double precision,
        coalesce(greatest(0, max(extract(epoch FROM clock_timestamp() - d.due_at))
            FILTER (WHERE d.lane > 0)), 0)::double precision
    FROM notification_deliveries AS d
    WHERE d.state IN ('queued', 'failed', 'sending')
$$;

-- Functions that read all organizations are for the run-time role alone.
REVOKE ALL ON FUNCTION notification_organizations(uuid), notification_backlog() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION notification_organizations(uuid), notification_backlog() TO urfmp_app;
