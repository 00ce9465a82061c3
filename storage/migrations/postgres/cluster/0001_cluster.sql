-- What the whole cluster shares, in the default database.

CREATE TABLE meta (
    key   text COLLATE "C" PRIMARY KEY,
    value text NOT NULL
);

-- The nodes that have not left. Each renews its row about once a second, so there is room for that beside it, and no
-- column that changes is indexed.
CREATE TABLE node (
    name    text COLLATE "C" PRIMARY KEY,
    address text        NOT NULL,
    domains text[]      NOT NULL,
    -- By the clock of the database, so that the clocks of the nodes do not matter.
    seen_at timestamptz NOT NULL,
    status  jsonb       NOT NULL
) WITH (fillfactor = 50);
