-- Lists go by byte order, as in SQLite, whatever the database's own language is: pages then are the same on
-- every server.
ALTER TABLE tenants ALTER COLUMN name TYPE TEXT COLLATE "C";
ALTER TABLE users ALTER COLUMN name TYPE TEXT COLLATE "C";
ALTER TABLE numbers ALTER COLUMN number TYPE TEXT COLLATE "C";
ALTER TABLE tokens ALTER COLUMN name TYPE TEXT COLLATE "C";
