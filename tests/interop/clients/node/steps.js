// What the clients of Node.js share: steps, each of which prints one line, and the values that they send both ways.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const util = require('node:util');

/** An outcome on one line. */
function textOf(outcome) {
  if (typeof outcome === 'string') return outcome.replaceAll('\n', '\\n');
  return util.inspect(outcome, { breakLength: Infinity, compact: true, depth: 8, maxArrayLength: 100 }).replace(/\s*\n\s*/g, ' ');
}

/** SQLSTATE and message of what the server said, or what the driver itself complains of. */
function textOfError(error) {
  const cause = [error, error.driverError, error.cause].find((e) => e && /^[0-9A-Z]{5}$/.test(e.code ?? ''));
  if (!cause) return `client error ${error.name}: ${error.message}`;
  // Query builders put the statement before the message.
  return `error ${cause.code}: ${cause.message.split(' - ').pop()}`;
}

/** The steps of one feature. One that fails says how, and does not keep the next from being tried. */
function steps(feature, recover) {
  return async (name, action) => {
    let outcome;
    try {
      outcome = await action();
      console.log(`${feature} / ${name}: ${textOf(outcome)}`);
    } catch (error) {
      console.log(`${feature} / ${name}: ${textOf(textOfError(error))}`);
      if (recover) await recover();
    }
    return outcome;
  };
}

/** Runs features one after another; one whose ground cannot be laid is given up. */
async function run(features) {
  for (const [feature, body] of Object.entries(features)) {
    try {
      await body();
    } catch (error) {
      console.log(`${feature} / given up: ${textOf(textOfError(error))}`);
    }
  }
}

/** Pairs of a type and a literal of it. */
function samples() {
  const lines = fs.readFileSync(path.join(__dirname, '..', 'samples.txt'), 'utf8').split('\n');
  const pairs = lines.filter((line) => line && !line.startsWith('#'));
  return pairs.map((line) => [line.slice(0, line.indexOf(' | ')), line.slice(line.indexOf(' | ') + 3)]);
}

/** A quoted literal. */
function literal(text) {
  return `'${text.replaceAll("'", "''")}'`;
}

/** Where the server is, in the names that the clients use. */
const address = {
  host: process.env.PGHOST,
  port: Number(process.env.PGPORT),
  user: process.env.PGUSER,
  database: process.env.PGDATABASE,
};

const typedColumns =
  'id int PRIMARY KEY, b boolean, s smallint, i integer, l bigint, r real, d double precision, n numeric(20,5), ' +
  't text, v varchar(10), c char(4), day date, at timestamp, atz timestamptz';

module.exports = { address, literal, run, samples, steps, textOfError, typedColumns };
