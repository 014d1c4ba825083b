DROP FUNCTION notification_backlog();
DROP FUNCTION notification_organizations(uuid);
DROP POLICY tenant ON notification_deliveries;
ALTER TABLE notification_deliveries DISABLE ROW LEVEL SECURITY;
DROP TRIGGER update_notification_preferences_updated_at ON notification_preferences;
DROP TRIGGER update_notification_routes_updated_at ON notification_routes;
DROP TRIGGER update_notification_channels_updated_at ON notification_channels;
ALTER TABLE notification_preferences
    DROP CONSTRAINT fk_notification_preferences_user,
    DROP CONSTRAINT fk_notification_preferences_organization;
ALTER TABLE notification_deliveries
    DROP CONSTRAINT fk_notification_deliveries_user,
    DROP CONSTRAINT fk_notification_deliveries_alert,
    DROP CONSTRAINT fk_notification_deliveries_route,
    DROP CONSTRAINT fk_notification_deliveries_channel,
    DROP CONSTRAINT fk_notification_deliveries_organization;
ALTER TABLE notification_silences
    DROP CONSTRAINT fk_notification_silences_author,
    DROP CONSTRAINT fk_notification_silences_robot,
    DROP CONSTRAINT fk_notification_silences_facility,
    DROP CONSTRAINT fk_notification_silences_organization;
ALTER TABLE notification_steps
    DROP CONSTRAINT fk_notification_steps_channel,
    DROP CONSTRAINT fk_notification_steps_route,
    DROP CONSTRAINT fk_notification_steps_organization;
ALTER TABLE notification_routes
    DROP CONSTRAINT notification_routes_organization_id_key,
    DROP CONSTRAINT fk_notification_routes_facility,
    DROP CONSTRAINT fk_notification_routes_organization;
ALTER TABLE notification_channels
    DROP CONSTRAINT notification_channels_organization_id_key,
    DROP CONSTRAINT fk_notification_channels_organization;
