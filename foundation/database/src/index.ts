export { DatabaseError } from "./database-error.ts";
export { type Migration } from "./migrate.ts";
export {
  type Database,
  type DatabaseOptions,
  joinDatabase,
  openDatabase,
} from "./open-database.ts";
