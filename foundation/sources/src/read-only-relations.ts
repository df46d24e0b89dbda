import type { SqlSource } from "@sonde/schemas/manifest";
import { MYSQL_NAMES } from "./mysql-names.ts";
import { POSTGRES_NAMES } from "./postgres-names.ts";
import type { ReadOnlyNames } from "./read-only-names.ts";

export const READ_ONLY_NAMES: Record<SqlSource["engine"], ReadOnlyNames> = {
  postgres: POSTGRES_NAMES,
  mysql: MYSQL_NAMES,
};
