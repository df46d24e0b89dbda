export { DatabaseError } from "./database-error.ts";
export { type Migration } from "./migrate.ts";
export { type Database, type DatabaseOptions, openDatabase } from "./open-database.ts";
