// TypeORM over node-postgres: entities by schema, repositories, a query builder, `synchronize`.
'use strict';

require('reflect-metadata');
const { DataSource, EntitySchema, In, Like } = require('typeorm');
const { address, run, steps } = require('./steps');

const Note = new EntitySchema({
  name: 'to_notes',
  columns: {
    code: { type: 'varchar', length: 20, primary: true },
    text: { type: 'text' },
    score: { type: 'float8', nullable: true },
  },
});
const Item = new EntitySchema({
  name: 'to_items',
  columns: { id: { type: 'int', primary: true, generated: 'increment' }, name: { type: 'varchar', length: 50 } },
});

const source = new DataSource({
  type: 'postgres', host: address.host, port: address.port, username: address.user, database: address.database,
  entities: [Note, Item], installExtensions: false, logging: false,
});

async function connecting() {
  const step = steps('connect');
  await step('connects', async () => (await source.initialize()).isInitialized);
  await step('current schema', () => source.query('SELECT * FROM current_schema()'));
}

async function tables() {
  const step = steps('tables');
  await source.query('DROP TABLE IF EXISTS to_notes');
  await source.query('CREATE TABLE to_notes (code varchar(20) PRIMARY KEY, text text NOT NULL, score float8)');
  const notes = source.getRepository(Note);
  await step('insert', async () => (await notes.insert({ code: 'a', text: 'first' })).identifiers);
  await step('save', () => notes.save({ code: 'a', text: 'changed', score: 1.5 }));
  await step('find', () => notes.find({ where: { code: In(['a', 'b']) }, order: { code: 'ASC' }, take: 5 }));
  await step('upsert', async () => (await notes.upsert([{ code: 'a', text: 'x' }, { code: 'b', text: 'y' }], ['code'])).identifiers.length);
  await step('update', async () => (await notes.update({ text: Like('x%') }, { score: 2 })).affected);
  await step('builder', () => notes.createQueryBuilder('n').select('n.code', 'code').where('n.score > :low', { low: 1 }).getRawMany());
  await step('count', () => notes.count());
  await step('delete', async () => (await notes.delete({ code: 'b' })).affected);
}

async function errors() {
  const step = steps('errors');
  const notes = source.getRepository(Note);
  await step('duplicate key', () => notes.insert({ code: 'a', text: 'again' }));
  await step('rolled back', () => source.transaction(async (manager) => {
    await manager.insert(Note, { code: 'z', text: 'z' });
    await manager.insert(Note, { code: 'a', text: 'again' });
  }));
  await step('nothing of it stayed', () => notes.countBy({ code: 'z' }));
}

async function savepoints() {
  await steps('savepoints')('nested transaction', () => source.transaction(async (manager) => {
    await manager.insert(Note, { code: 's', text: 'kept' });
    const error = await manager.transaction(async (inner) => {
      await inner.insert(Note, { code: 's', text: 'again' });
    }).catch((e) => e);
    return [error.code, await manager.countBy(Note, { code: 's' })];
  }));
}

async function keys() {
  const step = steps('keys');
  await source.query('DROP TABLE IF EXISTS to_items');
  await step('create', () => source.query('CREATE TABLE to_items (id SERIAL NOT NULL, name varchar(50) NOT NULL, CONSTRAINT "PK_to_items" PRIMARY KEY (id))'));
  await step('id comes back', async () => (await source.getRepository(Item).save({ name: 'one' })).id > 0);
}

async function catalog() {
  await steps('catalog')('synchronize', () => source.synchronize().then(() => 'done'));
}

async function main() {
  await run({ connect: connecting, tables, errors, savepoints, keys, catalog });
  if (source.isInitialized) await source.destroy();
}

main().finally(() => process.exit());
