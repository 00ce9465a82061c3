-- Notifications as they are now.

CREATE TABLE notifications (
    id       bigint PRIMARY KEY,
    order_id bigint NOT NULL,
    user_id  bigint NOT NULL,
    template text COLLATE "C" NOT NULL,
    version  bigint NOT NULL,
    state    bytea  NOT NULL,
    UNIQUE (order_id, template)
);

CREATE INDEX notifications_user ON notifications (user_id, id);
