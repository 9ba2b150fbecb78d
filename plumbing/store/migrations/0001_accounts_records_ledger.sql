-- Times are microseconds since 1970, money is millionths of a currency's unit, lists are JSON.
-- Every row carries its tenant.

CREATE TABLE sequences (
    name TEXT PRIMARY KEY,
    next BIGINT NOT NULL
);
INSERT INTO sequences (name, next) VALUES ('tenant', 1);

CREATE TABLE tenants (
    id BIGINT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    fallback BOOLEAN NOT NULL,
    created BIGINT NOT NULL
);

CREATE TABLE domains (
    domain TEXT PRIMARY KEY,
    tenant BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    place BIGINT NOT NULL
);
CREATE INDEX domains_of_tenant ON domains (tenant, place);

CREATE TABLE users (
    tenant BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    realm TEXT NOT NULL,
    ha1_md5 TEXT NOT NULL,
    ha1_sha256 TEXT NOT NULL,
    number TEXT,
    display_name TEXT NOT NULL,
    blocked BOOLEAN NOT NULL,
    direct_media BOOLEAN NOT NULL,
    -- What is left to spend; NULL: pays later.
    balance BIGINT,
    created BIGINT NOT NULL,
    PRIMARY KEY (tenant, name)
);

CREATE TABLE numbers (
    tenant BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    number TEXT NOT NULL,
    destination TEXT NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (tenant, number)
);

CREATE TABLE tokens (
    hash TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    -- NULL: the operator's, for all tenants.
    tenant BIGINT REFERENCES tenants (id) ON DELETE CASCADE,
    created BIGINT NOT NULL
);
CREATE INDEX tokens_of_tenant ON tokens (tenant, name);

-- Records outlive their tenants.
CREATE TABLE call_records (
    id BIGINT PRIMARY KEY,
    tenant BIGINT NOT NULL,
    sip_call_id TEXT NOT NULL,
    caller TEXT NOT NULL,
    dialed TEXT NOT NULL,
    callee TEXT NOT NULL,
    started BIGINT NOT NULL,
    rang BIGINT,
    answered BIGINT,
    ended BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    status BIGINT NOT NULL,
    cause TEXT NOT NULL,
    quality TEXT NOT NULL,
    currency TEXT,
    price BIGINT,
    reserved BIGINT,
    released BIGINT
);
CREATE INDEX call_records_by_time ON call_records (started, id);
CREATE INDEX call_records_of_tenant ON call_records (tenant, started, id);

CREATE TABLE reservations (
    call BIGINT PRIMARY KEY,
    tenant BIGINT NOT NULL,
    account TEXT NOT NULL,
    state TEXT NOT NULL,
    touched BIGINT NOT NULL,
    reserved BIGINT NOT NULL,
    charged BIGINT NOT NULL,
    released BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX reservations_by_state ON reservations (state, touched);

-- Each posting is an entry in two accounts: less in one, more in the other.
CREATE TABLE postings (
    call BIGINT,
    posted BIGINT NOT NULL,
    from_account TEXT NOT NULL,
    to_account TEXT NOT NULL,
    micros BIGINT NOT NULL CHECK (micros > 0)
);
CREATE INDEX postings_of_call ON postings (call);
CREATE INDEX postings_from ON postings (from_account);
CREATE INDEX postings_to ON postings (to_account);
