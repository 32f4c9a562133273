#!/bin/sh
# Runs once, when the server's volume is empty: a database and a role for each of the three programs.
# labelrounds makes roles for vendors, so its role may; Prefect makes the trusted extension pg_trgm in its own.
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    --set labelrounds="$DB_PASSWORD_LABELROUNDS" \
    --set mlflow="$DB_PASSWORD_MLFLOW" \
    --set prefect="$DB_PASSWORD_PREFECT" <<'SQL'
CREATE ROLE labelrounds LOGIN CREATEROLE PASSWORD :'labelrounds';
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow';
CREATE ROLE prefect LOGIN PASSWORD :'prefect';
CREATE DATABASE labelrounds OWNER labelrounds;
CREATE DATABASE mlflow OWNER mlflow;
CREATE DATABASE prefect OWNER prefect;
-- Vendors get roles on this server; none of these databases is open to all of them.
REVOKE ALL ON DATABASE labelrounds, mlflow, prefect, postgres FROM PUBLIC;
SQL
