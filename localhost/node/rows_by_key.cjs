// Makes Azurite find rows by their RowKey; loaded by node's --require before Azurite itself.
//
// Azurite keeps its tables in LokiJS, which has an index for each key and uses that of the first property asked for
// alone. Azurite asks for { PartitionKey, RowKey }, so each read and each write of a row looks at all rows of its
// partition, and a query looks at all rows of its table. With the RowKey first they look at what they want.
"use strict";

const { createRequire } = require("node:module");

const load = createRequire(process.argv[1]);
const { Collection } = load("lokijs");
const Resultset = Object.getPrototypeOf(new Collection("any").chain());
const generator = load("./table/persistence/LokiTableStoreQueryGenerator").default;

const { findOne } = Collection.prototype;
Collection.prototype.findOne = function (query) {
  const isRow = query && "PartitionKey" in query && "RowKey" in query;
  return findOne.call(this, isRow ? { RowKey: query.RowKey, ...query } : query);
};

// As Herald writes the filter of a scan, in which quotes are doubled; any other is answered as before.
const RANGE = /^PartitionKey eq '(?:[^']|'')*' and RowKey ge '((?:[^']|'')*)'(?: and RowKey lt '((?:[^']|'')*)')?$/;
const unquoted = (text) => text.replaceAll("''", "'");

const generate = generator.generateQueryEntityWhereFunction;
generator.generateQueryEntityWhereFunction = function (query) {
  const matches = generate.call(this, query);
  const [, start, end] = RANGE.exec(query ?? "") ?? [];
  if (start !== undefined) {
    matches.range = end === undefined ? { $gte: unquoted(start) } : { $between: [unquoted(start), unquoted(end)] };
  }
  return matches;
};

const { where } = Resultset;
Resultset.where = function (matches) {
  const rows = matches.range && !this.filterInitialized ? this.find({ RowKey: matches.range }) : this;
  return where.call(rows, matches);
};
