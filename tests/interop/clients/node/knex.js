// knex over node-postgres: a builder of statements, its schema builder, its pool, nested transactions as savepoints.
'use strict';

const makeKnex = require('knex');
const { address, run, steps } = require('./steps');

const knex = makeKnex({ client: 'pg', connection: address, pool: { min: 0, max: 3 } });

async function connecting() {
  await steps('connect')('connects', async () => (await knex.raw('SELECT ? ::int AS one', [1])).rows);
}

async function tables() {
  const step = steps('tables');
  await step('has table', () => knex.schema.hasTable('kx_nothing'));
  await step('drop', () => knex.schema.dropTableIfExists('kx_items').then(() => 'done'));
  await step('create', () => knex.schema.createTable('kx_items', (table) => {
    table.integer('id').primary();
    table.string('name', 50).notNullable();
    table.decimal('price', 10, 2).defaultTo(1.5);
    table.boolean('ok');
  }).then(() => 'done'));
  await step('create plainly', () => knex.raw('CREATE TABLE IF NOT EXISTS kx_items (id int PRIMARY KEY, name varchar(50) NOT NULL, price numeric(10,2) DEFAULT 1.5, ok boolean)').then(() => 'done'));
  await step('insert', () => knex('kx_items').insert({ id: 1, name: 'one' }).then((r) => r.rowCount));
  await step('select', () => knex('kx_items').select('*').where({ id: 1 }));
  await step('first', () => knex('kx_items').first('name').orderBy('id', 'desc'));
  await step('upsert', () => knex('kx_items').insert({ id: 1, name: 'uno' }).onConflict('id').merge().then((r) => r.rowCount));
  await step('ignore', () => knex('kx_items').insert({ id: 1, name: 'x' }).onConflict('id').ignore().then((r) => r.rowCount));
  await step('update', () => knex('kx_items').where('name', 'like', 'u%').update({ price: knex.raw('price + 1') }));
  await step('increment', () => knex('kx_items').where('id', 1).increment('price', 2));
  await step('delete', () => knex('kx_items').whereIn('id', [7, 8]).del());
}

async function batches() {
  const step = steps('batches');
  const rows = [...Array(100).keys()].map((i) => ({ id: 100 + i, name: `n${i}`, ok: i % 2 === 0 }));
  await step('batch insert', () => knex.batchInsert('kx_items', rows, 30).then((r) => r.length));
  await step('count and group', () => knex('kx_items').select('ok').count('* as n').whereBetween('id', [100, 150]).groupBy('ok').orderBy('ok'));
  await step('having', () => knex('kx_items').select('ok').max('id as top').groupBy('ok').havingRaw('count(*) > ?', [10]).orderBy('ok'));
}

async function errors() {
  const step = steps('errors');
  await step('duplicate key', () => knex('kx_items').insert({ id: 1, name: 'x' }));
  await step('unknown column', () => knex('kx_items').where('nothing', 1));
  await step('rolled back', () => knex.transaction(async (trx) => {
    await trx('kx_items').insert({ id: 2, name: 'x' });
    await trx('kx_items').insert({ id: 1, name: 'x' });
  }));
  await step('nothing of it stayed', () => knex('kx_items').where('id', 2));
}

async function savepoints() {
  await steps('savepoints')('nested transaction', () => knex.transaction(async (trx) => {
    await trx('kx_items').insert({ id: 5000, name: 'kept' });
    const error = await trx.transaction(async (inner) => {
      await inner('kx_items').insert({ id: 5000, name: 'again' });
    }).catch((e) => e);
    return [error.code, await trx('kx_items').where('id', 5000).select('name')];
  }));
}

async function returning() {
  const step = steps('returning');
  await step('insert', () => knex('kx_items').insert([{ id: 6000, name: 'a' }, { id: 6001, name: 'b' }], ['id', 'name']));
  await step('update', () => knex('kx_items').where('id', 6000).update({ name: 'A' }, ['name']));
  await step('delete', () => knex('kx_items').where('id', '>=', 6000).del(['id']).then((r) => r.map((row) => row.id).sort()));
}

async function keys() {
  const step = steps('keys');
  await step('drop', () => knex.schema.dropTableIfExists('kx_serial').then(() => 'done'));
  await step('create', () => knex.schema.createTable('kx_serial', (table) => {
    table.increments('id');
    table.timestamps(true, true);
  }).then(() => 'done'));
  await step('key comes back', async () => (await knex('kx_serial').insert({}, ['id']))[0].id > 0);
}

async function catalog() {
  const step = steps('catalog');
  await step('has table', () => knex.schema.hasTable('kx_items'));
  await step('has column', () => knex.schema.hasColumn('kx_items', 'price'));
  await step('columns', () => knex('kx_items').columnInfo());
}

async function main() {
  await run({ connect: connecting, tables, batches, errors, savepoints, returning, keys, catalog });
  await knex.destroy();
}

main().finally(() => process.exit());
