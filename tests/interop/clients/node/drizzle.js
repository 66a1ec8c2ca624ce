// drizzle over node-postgres: a schema as objects, statements built from it, transactions with savepoints.
'use strict';

const { Pool } = require('pg');
const { drizzle } = require('drizzle-orm/node-postgres');
const { boolean, integer, numeric, pgTable, serial, text, timestamp } = require('drizzle-orm/pg-core');
const { and, asc, count, eq, gt, inArray, like, sql } = require('drizzle-orm');
const { address, run, steps } = require('./steps');

const pool = new Pool({ ...address, max: 3 });
const db = drizzle(pool);

const items = pgTable('dz_items', {
  id: integer('id').primaryKey(),
  name: text('name').notNull(),
  price: numeric('price', { precision: 10, scale: 2 }).default('1.5'),
  ok: boolean('ok'),
  at: timestamp('at', { withTimezone: true }),
});
const serials = pgTable('dz_serial', { id: serial('id').primaryKey(), v: text('v'), tags: text('tags').array() });

async function connecting() {
  await steps('connect')('connects', async () => (await db.execute(sql`SELECT 1 AS one`)).rows);
}

async function tables() {
  const step = steps('tables');
  await step('create', async () => {
    await db.execute(sql`DROP TABLE IF EXISTS dz_items`);
    await db.execute(sql`CREATE TABLE dz_items (id integer PRIMARY KEY NOT NULL, name text NOT NULL, price numeric(10,2) DEFAULT '1.5', ok boolean, at timestamp with time zone)`);
  });
  await step('insert', async () => (await db.insert(items).values({ id: 1, name: 'one', ok: true, at: new Date(0) })).rowCount);
  await step('select', () => db.select().from(items).where(eq(items.id, 1)));
  await step('upsert', async () => (await db.insert(items).values({ id: 1, name: 'uno' }).onConflictDoUpdate({ target: items.id, set: { name: 'uno' } })).rowCount);
  await step('ignore', async () => (await db.insert(items).values({ id: 1, name: 'x' }).onConflictDoNothing()).rowCount);
  await step('update', async () => (await db.update(items).set({ price: '3' }).where(and(like(items.name, 'u%'), gt(items.id, 0)))).rowCount);
  await step('some columns', () => db.select({ name: items.name, twice: sql`${items.price} * 2` }).from(items).orderBy(asc(items.id)).limit(5));
  await step('delete', async () => (await db.delete(items).where(eq(items.id, 9))).rowCount);
}

async function batches() {
  const step = steps('batches');
  const rows = [...Array(100).keys()].map((i) => ({ id: 100 + i, name: `n${i}` }));
  await step('many', async () => (await db.insert(items).values(rows)).rowCount);
  await step('count', () => db.select({ n: count() }).from(items).where(inArray(items.id, [100, 101, 999])));
  await step('group', () => db.select({ ok: items.ok, n: count() }).from(items).groupBy(items.ok).orderBy(items.ok));
}

async function errors() {
  const step = steps('errors');
  await step('duplicate key', () => db.insert(items).values({ id: 1, name: 'x' }));
  await step('rolled back', () => db.transaction(async (tx) => {
    await tx.insert(items).values({ id: 2, name: 'x' });
    await tx.insert(items).values({ id: 1, name: 'x' });
  }));
  await step('nothing of it stayed', () => db.select({ n: count() }).from(items).where(eq(items.id, 2)));
}

async function savepoints() {
  const step = steps('savepoints');
  await step('nested transaction', () => db.transaction(async (tx) => {
    await tx.insert(items).values({ id: 5000, name: 'kept' });
    const error = await tx.transaction(async (inner) => {
      await inner.insert(items).values({ id: 5001, name: 'lost' });
      await inner.insert(items).values({ id: 5000, name: 'again' });
    }).catch((e) => e.cause ?? e);
    return [error.code, await tx.select({ id: items.id }).from(items).where(gt(items.id, 4000))];
  }, { isolationLevel: 'serializable' }));
}

async function returning() {
  const step = steps('returning');
  await step('insert', () => db.insert(items).values({ id: 6000, name: 'r' }).returning());
  await step('update', () => db.update(items).set({ name: 'R' }).where(eq(items.id, 6000)).returning({ name: items.name }));
  await step('delete', () => db.delete(items).where(eq(items.id, 6000)).returning({ id: items.id }));
}

async function keys() {
  const step = steps('keys');
  await step('create', async () => {
    await db.execute(sql`DROP TABLE IF EXISTS dz_serial`);
    await db.execute(sql`CREATE TABLE dz_serial (id serial PRIMARY KEY NOT NULL, v text, tags text[])`);
  });
  await step('default key', async () => (await db.insert(serials).values({ v: 'a' })).rowCount);
  await step('key comes back', async () => (await db.insert(serials).values([{ v: 'b' }, { v: 'c' }]).returning({ id: serials.id })).every((r) => r.id > 0));
}

async function arrays() {
  const step = steps('arrays');
  await step('column', async () => (await db.insert(serials).values({ v: 't', tags: ['x', 'y z'] })).rowCount);
  await step('comes back', () => db.select({ tags: serials.tags }).from(serials).where(eq(serials.v, 't')));
}

async function prepared() {
  const step = steps('prepared');
  const look = db.select().from(items).where(eq(items.id, sql.placeholder('id'))).prepare('dz_look');
  await step('reused', async () => [await look.execute({ id: 1 }), await look.execute({ id: 2 })]);
}

async function main() {
  await run({ connect: connecting, tables, batches, errors, savepoints, returning, keys, arrays, prepared });
  await pool.end();
}

main().finally(() => process.exit());
