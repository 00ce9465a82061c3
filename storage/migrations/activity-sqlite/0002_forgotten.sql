-- Entries of what happened before this time may have been removed; one row at most.

CREATE TABLE forgotten (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    before_ms INTEGER NOT NULL
);
