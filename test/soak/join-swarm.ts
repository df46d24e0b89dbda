import { join } from "node:path";
import postgres from "postgres";
import { readIdentity } from "../../agent/daemon/src/edge/store/identity.ts";
import { findPid } from "../product/processes.ts";
import { type Product, until } from "../product/start-product.ts";
import { seedSwarm } from "../product/swarm/seed-swarm.ts";
import { startSwarm, type Swarm } from "../product/swarm/start-swarm.ts";
import { SWARM } from "./world.ts";

const CONNECT_MS = 60_000;

/** Connects many simulated agents to the first hub, which starts anew for it. */
export async function joinSwarm(
  product: Product,
  database: string,
): Promise<Swarm & AsyncDisposable> {
  const { searchParams, username } = new URL(database);
  const [host = ""] = (searchParams.get("host") ?? "").split(",");
  const sql = postgres({
    ...{ host, username, database: "postgres", max: 1 },
    connection: { search_path: "hub" },
  });
  const agents = await seedSwarm(join(product.data, "hub/keys"), sql, SWARM);
  await sql.end();
  const before = findPid(product, "hub") ?? 0;
  process.kill(before, "SIGKILL");
  await until("the next hub", () => ![undefined, before].includes(findPid(product, "hub")));

  const { hubId, controlAddress, ca, hubKey } = readIdentity(join(product.data, "agent/identity"));
  const key = hubKey.export({ type: "spki", format: "pem" }).toString();
  const swarm = await startSwarm({ hubId, controlAddress, ca, hubKey: key }, agents);
  swarm.connect({ count: SWARM, atOnce: 8 });
  await swarm.until(({ connected }) => connected === SWARM, CONNECT_MS);
  return { ...swarm, [Symbol.asyncDispose]: () => swarm.stop() };
}
