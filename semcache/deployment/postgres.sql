-- Once, by an administrator: psql -f postgres.sql. Then \password semcache.
CREATE ROLE semcache LOGIN;
CREATE DATABASE semcache OWNER semcache ENCODING 'UTF8' TEMPLATE template0;
\connect semcache
CREATE EXTENSION IF NOT EXISTS vector;
CREATE SCHEMA semcache AUTHORIZATION semcache;
-- max_connections: replicas x 8 (semcache_pool_size) and some for yourself, or PgBouncer in transaction mode between.
