-- What carriers deliver in files is a record like any other, and each of theirs is one here, however often it comes.
ALTER TABLE call_records ADD COLUMN carrier TEXT;

CREATE TABLE imported_records (
    carrier TEXT NOT NULL,
    id TEXT NOT NULL,
    call BIGINT NOT NULL,
    PRIMARY KEY (carrier, id)
);
