// postgres.js (package postgres): a pool by itself, named statements with parameter types from the server, pipelined.
'use strict';

const { Readable } = require('node:stream');
const { pipeline } = require('node:stream/promises');
const postgres = require('postgres');
const { address, literal, run, samples, steps } = require('./steps');

// Types are not fetched, so that what needs no array does not wait for that look-up; it is a step of its own.
const options = { ...address, username: address.user, max: 3, onnotice: () => {}, fetch_types: false };
const sql = postgres(options);
// A connection whose look-up fails tells it outside of any query, too.
process.on('unhandledRejection', () => {});

async function connecting() {
  const step = steps('connect');
  await step('connects', () => sql`SELECT 1 AS one`.then((r) => [...r]));
  await step('types are fetched', async () => {
    const other = postgres({ ...options, max: 1, fetch_types: true });
    const fetched = [...(await other`SELECT ${[1, 2]}::int[] AS a, '{x,NULL}'::text[] AS b`)];
    await other.end();
    return fetched;
  });
  await step('settings at connect', async () => {
    const other = postgres({ ...options, max: 1, connection: { application_name: 'interop', statement_timeout: 7000 } });
    const shown = [...(await other`SHOW statement_timeout`)];
    await other.end();
    return shown;
  });
}

async function pooling() {
  const step = steps('pool');
  await step('nine over three', () => Promise.all([...Array(9).keys()].map((i) => sql`SELECT ${i}::int AS i`.then((r) => r[0].i))));
  await step('reserved', async () => {
    const one = await sql.reserve();
    const rows = await one`SELECT 1 AS one`;
    one.release();
    return [...rows];
  });
}

async function tables() {
  const step = steps('tables');
  await step('drop', () => sql`DROP TABLE IF EXISTS pj_items`.then((r) => r.command));
  await step('create', () => sql`CREATE TABLE pj_items (id int PRIMARY KEY, name text NOT NULL, price numeric(10,2) DEFAULT 1.5)`.then((r) => r.command));
  await step('insert', () => sql`INSERT INTO pj_items ${sql({ id: 1, name: 'one', price: '9.99' })}`.then((r) => r.count));
  await step('upsert', () => sql`INSERT INTO pj_items (id, name) VALUES (1, ${'uno'}) ON CONFLICT (id) DO UPDATE SET name = excluded.name`.then((r) => r.count));
  await step('select', () => sql`SELECT * FROM pj_items WHERE id = ${1}`.then((r) => [...r]));
  await step('update', () => sql`UPDATE pj_items SET ${sql({ name: 'due', price: '2' })} WHERE id = ${1}`.then((r) => r.count));
  await step('IN over a list', () => sql`SELECT id FROM pj_items WHERE id IN ${sql([1, 2, 3])}`.then((r) => [...r]));
  await step('simple', () => sql.unsafe('SELECT 1 AS a; SELECT 2 AS b').simple().then((r) => r.map((x) => [...x])));
  await step('delete', () => sql`DELETE FROM pj_items WHERE id > ${5}`.then((r) => r.count));
}

async function batches() {
  const step = steps('batches');
  await sql`DROP TABLE IF EXISTS pj_batch`;
  await sql`CREATE TABLE pj_batch (id int PRIMARY KEY, v text)`;
  const rows = [...Array(200).keys()].map((id) => ({ id, v: id % 2 ? null : `v${id}` }));
  await step('rows in one statement', () => sql`INSERT INTO pj_batch ${sql(rows)}`.then((r) => r.count));
  await step('in a transaction', () => sql.begin((tx) => [300, 301, 302].map((id) => tx`INSERT INTO pj_batch VALUES (${id}, 'x')`)).then((r) => r.map((x) => x.count)));
  await step('unnest', () => sql`INSERT INTO pj_batch SELECT * FROM unnest(${[1000, 1001]}::int[], ${['a', 'b']}::text[])`.then((r) => r.count));
  await step('rows', () => sql`SELECT count(*), count(v) FROM pj_batch WHERE id < 1000`.then((r) => [...r]));
}

async function errors() {
  const step = steps('errors');
  await sql`DROP TABLE IF EXISTS pj_errors`;
  await sql`CREATE TABLE pj_errors (id int PRIMARY KEY, n int NOT NULL)`;
  await step('first row', () => sql`INSERT INTO pj_errors VALUES (1, 1)`.then((r) => r.count));
  await step('duplicate key', () => sql`INSERT INTO pj_errors VALUES (${1}, 2)`);
  await step('null in NOT NULL', () => sql`INSERT INTO pj_errors VALUES (2, ${null})`);
  await step('syntax', () => sql`SELEC 1`);
  await step('division by zero', () => sql`SELECT 1 / ${0}::int`);
  await step('rolled back', () => sql.begin(async (tx) => {
    await tx`INSERT INTO pj_errors VALUES (3, 3)`;
    await tx`SELEC 1`;
  }));
  await step('nothing of it stayed', () => sql`SELECT * FROM pj_errors`.then((r) => [...r]));
}

async function savepoints() {
  const step = steps('savepoints');
  await sql`DROP TABLE IF EXISTS pj_save`;
  await sql`CREATE TABLE pj_save (id int PRIMARY KEY)`;
  await step('nested', () => sql.begin(async (tx) => {
    await tx`INSERT INTO pj_save VALUES (1)`;
    const error = await tx.savepoint(async (inner) => {
      await inner`INSERT INTO pj_save VALUES (2)`;
      await inner`INSERT INTO pj_save VALUES (1)`;
    }).catch((e) => e);
    return [error.code, [...(await tx`SELECT * FROM pj_save`)]];
  }));
}

async function returning() {
  const step = steps('returning');
  await sql`DROP TABLE IF EXISTS pj_ret`;
  await sql`CREATE TABLE pj_ret (id int PRIMARY KEY, v text)`;
  await step('insert', () => sql`INSERT INTO pj_ret ${sql([{ id: 1, v: 'a' }, { id: 2, v: 'b' }])} RETURNING *`.then((r) => [...r]));
  await step('update', () => sql`UPDATE pj_ret SET v = upper(v) WHERE id = ${2} RETURNING v`.then((r) => [...r]));
  await step('delete', () => sql`DELETE FROM pj_ret RETURNING id`.then((r) => r.count));
}

async function arrays() {
  const step = steps('arrays');
  await sql`DROP TABLE IF EXISTS pj_arr`;
  await sql`CREATE TABLE pj_arr (id int PRIMARY KEY)`;
  await sql`INSERT INTO pj_arr VALUES (1), (2), (3), (4)`;
  await step('= ANY', () => sql`SELECT id FROM pj_arr WHERE id = ANY(${[2, 4]}) ORDER BY id`.then((r) => [...r]));
  await step('<> ALL', () => sql`SELECT id FROM pj_arr WHERE id <> ALL(${[2, 4]}::int[]) ORDER BY id`.then((r) => [...r]));
  await step('both ways', () => sql`SELECT ${[1, 2]}::int[] AS a, ${['x', 'y,z']}::text[] AS b`.then((r) => [...r]));
}

async function keys() {
  const step = steps('keys');
  await sql`DROP TABLE IF EXISTS pj_serial`;
  await step('create', () => sql`CREATE TABLE pj_serial (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text)`.then((r) => r.command));
  await step('id comes back', () => sql`INSERT INTO pj_serial ${sql({ v: 'a' })} RETURNING id > 0 AS positive`.then((r) => [...r]));
}

async function cursors() {
  const step = steps('cursors');
  await sql`DROP TABLE IF EXISTS pj_cur`;
  await sql`CREATE TABLE pj_cur (id int PRIMARY KEY)`;
  await sql`INSERT INTO pj_cur ${sql([...Array(250).keys()].map((id) => ({ id })))}`;
  await step('cursor', async () => {
    const sizes = [];
    await sql`SELECT id FROM pj_cur ORDER BY id`.cursor(100, (rows) => { sizes.push(rows.length); });
    return sizes;
  });
  await step('for each', async () => {
    let sum = 0;
    await sql`SELECT id FROM pj_cur`.forEach((row) => { sum += row.id; });
    return sum;
  });
}

async function types() {
  const step = steps('types');
  for (const [kind, text] of samples()) {
    await step(`${kind} ${text}`, async () => {
      const [{ v }] = await sql.unsafe(`SELECT ${literal(text)}::${kind} AS v`);
      const [{ same }] = await sql.unsafe(`SELECT ($1::${kind})::text = ${literal(text)}::${kind}::text AS same`, [v]);
      return [v, same];
    });
  }
}

async function prepared() {
  const step = steps('prepared');
  await step('described', () => sql`SELECT ${1}::int + 1 AS a, ${'x'}::text AS b`.describe().then((d) => [d.types, d.columns.map((c) => [c.name, c.type])]));
  await step('reused', () => Promise.all([1, 2, 3].map((i) => sql`SELECT ${i}::int8 + 1 AS n`.then((r) => r[0].n))));
}

async function copying() {
  const step = steps('copy');
  await sql`DROP TABLE IF EXISTS pj_copy`;
  await sql`CREATE TABLE pj_copy (id int PRIMARY KEY, v text)`;
  await step('in', async () => pipeline(Readable.from(['1\ta\n', '2\t\\N\n']), await sql`COPY pj_copy FROM STDIN`.writable()));
  await step('out', async () => {
    let text = '';
    for await (const part of await sql`COPY pj_copy TO STDOUT`.readable()) text += part;
    return text;
  });
}

async function main() {
  await run({ connect: connecting, pool: pooling, tables, batches, errors, savepoints, returning, arrays, keys, cursors, types, prepared, copy: copying });
  await sql.end({ timeout: 5 });
  process.exit();
}

main();
