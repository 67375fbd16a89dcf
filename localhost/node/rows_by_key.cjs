// Makes Azurite find a row by its RowKey before its PartitionKey; loaded by node's --require before Azurite itself.
//
// Azurite asks its database (LokiJS) for { PartitionKey, RowKey }, and LokiJS uses the index of the first property
// alone: each read and each write of a row looks at all rows of its partition. With the RowKey first it looks at one.
"use strict";

const { createRequire } = require("node:module");

const { Collection } = createRequire(process.argv[1])("lokijs");
const { findOne } = Collection.prototype;

Collection.prototype.findOne = function (query) {
  const isRow = query && "PartitionKey" in query && "RowKey" in query;
  return findOne.call(this, isRow ? { RowKey: query.RowKey, ...query } : query);
};
