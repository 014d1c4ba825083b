ALTER TABLE notification_deliveries
    DROP CONSTRAINT fk_notification_deliveries_subscription;
ALTER TABLE push_subscriptions
    DROP CONSTRAINT push_subscriptions_organization_id_key,
    DROP CONSTRAINT fk_push_subscriptions_user,
    DROP CONSTRAINT fk_push_subscriptions_organization;
ALTER TABLE push_keys
    DROP CONSTRAINT fk_push_keys_organization;
