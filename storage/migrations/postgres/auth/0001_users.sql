-- Users and how they prove who they are.

CREATE TABLE users (
    id           bigint PRIMARY KEY,
    username_key text COLLATE "C" NOT NULL UNIQUE,
    role         text   NOT NULL,
    version      bigint NOT NULL,
    state        bytea  NOT NULL
) WITH (fillfactor = 70);

CREATE INDEX users_admin ON users (id) WHERE role = 'admin';

CREATE TABLE credentials (
    user_id       bigint PRIMARY KEY,
    password_hash text NOT NULL
);
