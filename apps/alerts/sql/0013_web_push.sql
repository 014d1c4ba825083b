-- References include the organization, so that not even raw SQL can name a user or browser of another
-- one. The log of deliveries outlives a browser's subscription.
ALTER TABLE push_keys
    ADD CONSTRAINT fk_push_keys_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id);

ALTER TABLE push_subscriptions
    ADD CONSTRAINT fk_push_subscriptions_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_push_subscriptions_user
        FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id)
        ON DELETE CASCADE,
    ADD CONSTRAINT push_subscriptions_organization_id_key UNIQUE (organization_id, id);

ALTER TABLE notification_deliveries
    ADD CONSTRAINT fk_notification_deliveries_subscription
        FOREIGN KEY (organization_id, subscription_id)
        REFERENCES push_subscriptions (organization_id, id) ON DELETE SET NULL (subscription_id);
