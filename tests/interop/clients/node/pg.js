// node-postgres (pg), with its pool, pg-cursor and pg-copy-streams: parameters as text, statements unnamed or named.
'use strict';

const { pipeline } = require('node:stream/promises');
const { Readable } = require('node:stream');
const { Client, Pool } = require('pg');
const Cursor = require('pg-cursor');
const copy = require('pg-copy-streams');
const { address, literal, run, samples, steps, typedColumns } = require('./steps');

const pool = new Pool({ ...address, max: 3 });
pool.on('error', () => {});

/** Rows where there are any, else the command and its count. */
async function query(client, text, values) {
  const result = await client.query(text, values);
  return result.fields.length ? result.rows : `${result.command} ${result.rowCount}`;
}

/** Runs a feature on a connection of its own, with a table made anew. */
async function withTable(name, columns, body) {
  const client = new Client(address);
  await client.connect();
  try {
    await client.query(`DROP TABLE IF EXISTS ${name}`);
    await client.query(`CREATE TABLE ${name} (${columns})`);
    await body(client, (text, values) => query(client, text, values));
  } finally {
    await client.end();
  }
}

async function connecting() {
  const step = steps('connect');
  await step('connects', async () => {
    const client = new Client({ ...address, application_name: 'interop', statement_timeout: 7000 });
    await client.connect();
    const shown = [await query(client, 'SHOW application_name'), await query(client, 'SHOW statement_timeout')];
    await client.end();
    return shown;
  });
  await step('url', async () => {
    const client = new Client(`postgres://${address.user}@${address.host}:${address.port}/${address.database}`);
    await client.connect();
    const one = await query(client, 'SELECT 1 AS one');
    await client.end();
    return one;
  });
}

async function pooling() {
  const step = steps('pool');
  await step('nine over three', async () => {
    const results = await Promise.all([...Array(9).keys()].map((i) => pool.query('SELECT $1::int AS i', [i])));
    return results.map((r) => r.rows[0].i);
  });
  await step('an error leaves it usable', () => query(pool, 'SELECT 1 / 0'));
  await step('goes on', () => query(pool, 'SELECT 3 AS three'));
}

async function tables() {
  await withTable('pg_items', 'id int PRIMARY KEY, name text NOT NULL, price numeric(10,2) DEFAULT 1.5', async (client, q) => {
    const step = steps('tables');
    await step('insert', () => q('INSERT INTO pg_items VALUES ($1, $2, $3)', [1, 'one', 9.99]));
    await step('insert with a default', () => q('INSERT INTO pg_items (id, name) VALUES ($1, $2)', [2, "it's"]));
    await step('upsert', () => q('INSERT INTO pg_items VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET name = excluded.name', ['uno']));
    await step('select', () => q('SELECT * FROM pg_items ORDER BY id'));
    await step('rows as arrays', () => q({ text: 'SELECT id, name FROM pg_items ORDER BY id', rowMode: 'array' }));
    await step('update', () => q('UPDATE pg_items SET price = price * 2 WHERE id = $1', [2]));
    await step('limit', () => q('SELECT id FROM pg_items ORDER BY id LIMIT $1 OFFSET $2', [1, 1]));
    await step('several statements', () => client.query('SELECT 1 AS a; SELECT 2 AS b').then((all) => all.map((r) => r.rows)));
    await step('delete', () => q('DELETE FROM pg_items WHERE name LIKE $1', ['it%']));
    await step('count', () => q('SELECT count(*) FROM pg_items'));
    await step('empty statement', () => q(''));
  });
}

async function batches() {
  await withTable('pg_batch', 'id int PRIMARY KEY, v text', async (client, q) => {
    const step = steps('batches');
    const marks = [...Array(200).keys()].map((i) => `($${2 * i + 1}, $${2 * i + 2})`).join(', ');
    await step('rows in one statement', () => q(`INSERT INTO pg_batch VALUES ${marks}`, [...Array(200).keys()].flatMap((i) => [i, `v${i}`])));
    await step('in a transaction', async () => {
      await q('BEGIN');
      for (let i = 300; i < 320; i++) await q('INSERT INTO pg_batch VALUES ($1, $2)', [i, null]);
      return q('COMMIT');
    });
    await step('queued', () => Promise.all([400, 401, 402].map((i) => q('INSERT INTO pg_batch VALUES ($1, $2)', [i, 'q']))));
    await step('rows', () => q('SELECT count(*), count(v), sum(id) FROM pg_batch'));
    await step('unnest', () => q('INSERT INTO pg_batch SELECT * FROM unnest($1::int[], $2::text[])', [[1000, 1001], ['a', null]]));
  });
}

async function errors() {
  await withTable('pg_errors', 'id int PRIMARY KEY, n int NOT NULL', async (client, q) => {
    const step = steps('errors');
    await step('first row', () => q('INSERT INTO pg_errors VALUES (1, 1)'));
    await step('duplicate key', () => q('INSERT INTO pg_errors VALUES ($1, 2)', [1]));
    await step('its details', async () => {
      const error = await q('INSERT INTO pg_errors VALUES (1, 2)').catch((e) => e);
      return [error.severity, error.detail, error.schema, error.table, error.constraint];
    });
    await step('null in NOT NULL', () => q('INSERT INTO pg_errors VALUES (2, $1)', [null]));
    await step('syntax', () => q('SELEC 1'));
    await step('position of an error', async () => (await q('SELECT nothing FROM pg_errors').catch((e) => e)).position);
    await step('unknown table', () => q('SELECT * FROM pg_nothing'));
    await step('division by zero', () => q('SELECT 1 / $1::int', [0]));
    await step('text where a number is wanted', () => q('SELECT * FROM pg_errors WHERE id = $1', ['x']));
    await step('type that cannot be told', () => q('SELECT $1 + $2', [1, 2]));
    await step('begin', () => q('BEGIN'));
    await step('a write before', () => q('INSERT INTO pg_errors VALUES (3, 3)'));
    await step('error inside a transaction', () => q('SELEC 1'));
    await step('transaction is aborted', () => q('SELECT 1'));
    await step('commit of it', () => q('COMMIT'));
    await step('nothing of it stayed', () => q('SELECT * FROM pg_errors'));
  });
}

async function savepoints() {
  await withTable('pg_save', 'id int PRIMARY KEY', async (client, q) => {
    const step = steps('savepoints');
    const texts = [
      'BEGIN', 'INSERT INTO pg_save VALUES (1)', 'SAVEPOINT a', 'INSERT INTO pg_save VALUES (2)', 'SAVEPOINT a',
      'INSERT INTO pg_save VALUES (1)', 'ROLLBACK TO a', 'RELEASE a', 'SELECT * FROM pg_save ORDER BY id', 'ROLLBACK TO a',
      'INSERT INTO pg_save VALUES (3)', 'COMMIT', 'SELECT * FROM pg_save ORDER BY id', 'SAVEPOINT outside',
    ];
    for (const [i, text] of texts.entries()) await step(`${i} ${text}`, () => q(text));
  });
}

async function returning() {
  await withTable('pg_ret', 'id int PRIMARY KEY, v text', async (client, q) => {
    const step = steps('returning');
    await step('insert', () => q("INSERT INTO pg_ret VALUES ($1, 'a'), ($2, 'b') RETURNING *", [1, 2]));
    await step('upsert', () => q("INSERT INTO pg_ret VALUES (2, 'c') ON CONFLICT (id) DO UPDATE SET v = excluded.v RETURNING id, v || '!' AS shout"));
    await step('nothing done', () => q("INSERT INTO pg_ret VALUES (1, 'z') ON CONFLICT DO NOTHING RETURNING id"));
    await step('update', () => q('UPDATE pg_ret SET v = upper(v) WHERE id < $1 RETURNING id, v', [3]));
    await step('delete', () => q('DELETE FROM pg_ret WHERE id = 1 RETURNING v'));
  });
}

async function arrays() {
  await withTable('pg_arr', 'id int PRIMARY KEY', async (client, q) => {
    const step = steps('arrays');
    await step('rows', () => q('INSERT INTO pg_arr VALUES (1), (2), (3), (4)'));
    await step('= ANY', () => q('SELECT id FROM pg_arr WHERE id = ANY($1) ORDER BY id', [[2, 4, 9]]));
    await step('<> ALL', () => q('SELECT id FROM pg_arr WHERE id <> ALL($1::int[]) ORDER BY id', [[2, 4]]));
    await step('empty', () => q('SELECT id FROM pg_arr WHERE id = ANY($1::int[])', [[]]));
    await step('both ways', () => q('SELECT $1::int[] AS a, $2::text[] AS b', [[1, null, 3], ['a', 'b,c', '"']]));
    await step('subscript and lengths', () => q("SELECT (ARRAY[5,6])[2] AS x, array_length(ARRAY[1,2], 1), cardinality('{}'::int[])"));
  });
}

async function keys() {
  const step = steps('keys');
  await step('drop', () => query(pool, 'DROP TABLE IF EXISTS pg_serial'));
  await step('create', () => query(pool, 'CREATE TABLE pg_serial (id SERIAL PRIMARY KEY, v text)'));
  await step('insert', () => query(pool, 'INSERT INTO pg_serial (v) VALUES ($1), ($2)', ['a', 'b']));
  await step('ids are distinct', () => query(pool, 'SELECT count(DISTINCT id) AS n, min(id) > 0 AS positive FROM pg_serial'));
  await step('id comes back', () => query(pool, 'INSERT INTO pg_serial (v) VALUES ($1) RETURNING id > 0 AS positive', ['c']));
}

async function cursors() {
  await withTable('pg_cur', 'id int PRIMARY KEY', async (client, q) => {
    const step = steps('cursors');
    await step('rows', () => q(`INSERT INTO pg_cur VALUES ${[...Array(250).keys()].map((i) => `(${i})`).join(', ')}`));
    await step('portal with a limit', async () => {
      const cursor = client.query(new Cursor('SELECT id FROM pg_cur WHERE id >= $1 ORDER BY id', [10]));
      const [first, second] = [await cursor.read(100), await cursor.read(500)];
      await cursor.close();
      return [first.length, second.length, second.at(-1)];
    });
    await step('closed before its end', async () => {
      const cursor = client.query(new Cursor('SELECT id FROM pg_cur ORDER BY id'));
      const first = await cursor.read(2);
      await cursor.close();
      return [first, await q('SELECT 1 AS one')];
    });
    await step('declared', async () => {
      await q('BEGIN');
      await q('DECLARE c CURSOR FOR SELECT id FROM pg_cur ORDER BY id');
      const first = await q('FETCH 2 FROM c');
      await q('MOVE 10 FROM c');
      return [first, await q('FETCH NEXT FROM c'), await q('CLOSE c')];
    });
    await step('rollback', () => q('ROLLBACK'));
  });
}

async function types() {
  await withTable('pg_typed', typedColumns, async (client, q) => {
    const step = steps('types');
    for (const [kind, text] of samples()) {
      await step(`${kind} ${text}`, async () => {
        const { v } = (await client.query(`SELECT ${literal(text)}::${kind} AS v`)).rows[0];
        const sent = kind.startsWith('json') ? JSON.stringify(v) : v;
        const back = await client.query(`SELECT ($1::${kind})::text = ${literal(text)}::${kind}::text AS same`, [sent]);
        return [v, back.rows[0].same];
      });
    }
    const row = [1, true, -5, 6, '4611686018427387904', 1.5, 2.25, '12345.67890', 'téxt', 'varchar', 'ch', '2024-02-29', '2024-02-29 01:02:03.000004', '2024-02-29T01:02:03Z'];
    const marks = row.map((_, i) => `$${i + 1}`).join(', ');
    await step('insert', () => q(`INSERT INTO pg_typed VALUES (${marks})`, row));
    await step('insert of nulls', () => q(`INSERT INTO pg_typed VALUES (${marks})`, [2, ...Array(13).fill(null)]));
    await step('rows', () => q('SELECT * FROM pg_typed ORDER BY id'));
    await step('rows in binary', () => q({ text: 'SELECT id, b, s, i, l, r, d, t FROM pg_typed ORDER BY id', binary: true }));
  });
}

async function prepared() {
  await withTable('pg_prep', 'id int PRIMARY KEY, v text', async (client, q) => {
    const step = steps('prepared');
    const named = (values) => q({ name: 'add', text: 'INSERT INTO pg_prep VALUES ($1, $2)', values });
    await step('named, reused', async () => [await named([1, 'a']), await named([2, null])]);
    await step('fails and stays', () => named([1, 'again']));
    await step('works again', () => named([3, 'c']));
    await step('the table became another', async () => {
      const look = () => q({ name: 'look', text: 'SELECT * FROM pg_prep WHERE id = 1' });
      await look();
      await q('DROP TABLE pg_prep');
      await q('CREATE TABLE pg_prep (id int PRIMARY KEY, v text, w int)');
      return look();
    });
  });
}

async function copying() {
  await withTable('pg_copy', 'id int PRIMARY KEY, v text', async (client, q) => {
    const step = steps('copy');
    await step('in', async () => {
      const target = client.query(copy.from('COPY pg_copy FROM STDIN'));
      await pipeline(Readable.from(['1\ta\n2\t', '\\N\n3\tc\n']), target);
      return target.rowCount;
    });
    await step('out', async () => {
      let text = '';
      for await (const part of client.query(copy.to('COPY pg_copy TO STDOUT WITH (FORMAT csv)'))) text += part;
      return text;
    });
    await step('bad line', () => pipeline(Readable.from(['x\ty\n']), client.query(copy.from('COPY pg_copy FROM STDIN'))));
    await step('after it', () => q('SELECT count(*) FROM pg_copy'));
  });
}

async function columns() {
  await withTable('pg_cols', typedColumns, async (client) => {
    const step = steps('columns');
    const fields = async (text) =>
      (await client.query(text)).fields.map((f) => [f.name, f.tableID > 0, f.columnID, f.dataTypeID, f.dataTypeSize, f.dataTypeModifier, f.format]);
    await step('table', () => fields('SELECT * FROM pg_cols'));
    await step('expressions', () => fields("SELECT 1, 'x', 1.5, count(*), sum(l), avg(i), now(), max(c) FROM pg_cols"));
  });
}

async function ddl() {
  await withTable('pg_ddl', 'id int PRIMARY KEY', async (client, q) => {
    const step = steps('ddl');
    const texts = [
      'BEGIN', 'CREATE TABLE pg_ddl_two (id int PRIMARY KEY)', 'INSERT INTO pg_ddl_two VALUES (1)', 'DROP TABLE pg_ddl', 'ROLLBACK',
      'SELECT * FROM pg_ddl', 'SELECT * FROM pg_ddl_two', 'TRUNCATE pg_ddl', 'CREATE TABLE pg_ddl (id int)', 'CREATE TABLE IF NOT EXISTS pg_ddl (id int PRIMARY KEY)',
    ];
    for (const [i, text] of texts.entries()) await step(`${i} ${text}`, () => q(text));
  });
}

async function main() {
  await run({
    connect: connecting, pool: pooling, tables, batches, errors, savepoints, returning, arrays, keys, cursors, types, prepared,
    copy: copying, columns, ddl,
  });
  await pool.end();
}

main().finally(() => process.exit());
