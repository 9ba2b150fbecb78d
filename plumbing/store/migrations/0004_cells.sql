-- In which cell an account or a number is at home, as far as this cell has heard; cell 0: it is no more. Entries of
-- tenants that have not come yet may be here already.
CREATE TABLE homes (
    tenant BIGINT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    cell BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (tenant, kind, name)
);
CREATE INDEX homes_of_cell ON homes (cell);

-- Accounts here that another cell gave the same name while the two did not hear each other, and that lost it.
CREATE TABLE conflicts (
    tenant BIGINT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    cell BIGINT NOT NULL,
    told BIGINT NOT NULL,
    PRIMARY KEY (tenant, kind, name)
);

-- The other cells, and the number of the next message to each.
CREATE TABLE peers (
    cell BIGINT PRIMARY KEY,
    next BIGINT NOT NULL
);

-- What is due to other cells, in order; it stays until the other cell has it.
CREATE TABLE outbox (
    cell BIGINT NOT NULL,
    serial BIGINT NOT NULL,
    posted BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (cell, serial)
);

-- The last message that was taken of each cell.
CREATE TABLE inbox (
    cell BIGINT PRIMARY KEY,
    serial BIGINT NOT NULL
);

-- Accounts that are on their way to another cell, or have gone there and leave calls behind.
CREATE TABLE moves (
    tenant BIGINT NOT NULL,
    name TEXT NOT NULL,
    cell BIGINT NOT NULL,
    state TEXT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (tenant, name)
);

-- What came with accounts from other cells.
CREATE TABLE arrivals (
    tenant BIGINT NOT NULL,
    name TEXT NOT NULL,
    version BIGINT NOT NULL,
    micros BIGINT NOT NULL,
    PRIMARY KEY (tenant, name, version)
);
