-- database_exists: Whether the server has a database of that name.
SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1);

-- create_database: Make the database of a local stack.
CREATE DATABASE advolink;
