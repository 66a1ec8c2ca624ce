\echo tables / drop
DROP TABLE IF EXISTS ps_items;
\echo tables / create
CREATE TABLE ps_items (id int PRIMARY KEY, name text NOT NULL, price numeric(10,2) DEFAULT 1.5);
\echo tables / insert
INSERT INTO ps_items VALUES (1, 'one', 9.99), (2, 'it''s', DEFAULT);
\echo tables / select
SELECT * FROM ps_items ORDER BY id;
\echo tables / expanded
\x on
SELECT * FROM ps_items WHERE id = 1;
\x off
\echo tables / variables
\set key 2
SELECT name FROM ps_items WHERE id = :key;
\echo tables / gset
SELECT count(*) AS n FROM ps_items \gset
\echo :n
\echo errors / duplicate key
INSERT INTO ps_items VALUES (1, 'again');
\echo errors / state and message
\echo :LAST_ERROR_SQLSTATE :LAST_ERROR_MESSAGE
\echo errors / place of a mistake
SELECT id,
  nothing FROM ps_items;
\echo errors / inside a transaction
BEGIN;
INSERT INTO ps_items VALUES (3, 'x');
SELECT 1 / 0;
SELECT 1;
COMMIT;
\echo errors / nothing of it stayed
SELECT count(*) FROM ps_items;
\echo savepoints / ON_ERROR_ROLLBACK
\set ON_ERROR_ROLLBACK on
BEGIN;
INSERT INTO ps_items VALUES (4, 'kept');
INSERT INTO ps_items VALUES (4, 'again');
INSERT INTO ps_items VALUES (5, 'kept too');
COMMIT;
\set ON_ERROR_ROLLBACK off
\echo savepoints / rows
SELECT id FROM ps_items ORDER BY id;
\echo returning / update
UPDATE ps_items SET name = upper(name) WHERE id = 1 RETURNING *;
\echo cursors / fetch count
\set FETCH_COUNT 2
SELECT id FROM ps_items ORDER BY id;
\unset FETCH_COUNT
\echo cursors / declared
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM ps_items ORDER BY id;
FETCH 1 FROM c;
FETCH ALL FROM c;
CLOSE c;
COMMIT;
\echo prepared / prepare and execute
PREPARE look (int) AS SELECT name FROM ps_items WHERE id = $1;
EXECUTE look (1);
EXECUTE look (2);
DEALLOCATE look;
EXECUTE look (1);
\echo copy / in
\copy ps_items (id, name) FROM STDIN WITH (FORMAT csv)
10,ten
11,"e,leven"
\.
\echo copy / out
\copy (SELECT id, name FROM ps_items WHERE id >= 10 ORDER BY id) TO STDOUT WITH (FORMAT csv, HEADER)
\echo keys / serial
DROP TABLE IF EXISTS ps_serial;
CREATE TABLE ps_serial (id serial PRIMARY KEY, v text);
INSERT INTO ps_serial (v) VALUES ('a') RETURNING id > 0;
\echo arrays / literals
SELECT ARRAY[1,2,3], '{a,"b c"}'::text[], 2 = ANY('{1,2}'::int[]);
\echo ddl / in a transaction
BEGIN;
CREATE TABLE ps_two (id int PRIMARY KEY);
INSERT INTO ps_two VALUES (1);
ROLLBACK;
SELECT * FROM ps_two;
\echo columns / gdesc
SELECT 1 AS a, 'x' AS b, 1.5 AS c, now() AS d, id, price FROM ps_items \gdesc
\echo catalog / list of tables
\dt ps_items
\echo catalog / table
\d ps_items
\echo catalog / databases
SELECT datname FROM pg_database WHERE datname = 'quorate';
\echo connect / conninfo
SELECT current_database(), current_user;
\echo connect / show
SHOW server_encoding;
SHOW transaction_isolation;
