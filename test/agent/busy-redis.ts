import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type TestRedis, startRedis } from "./start-redis.ts";

/** Two Redis servers in a network of their own, of which one is where packs look. */
export type BusyRedis = {
  /** At 127.0.0.1:6379, which packs ask. */
  asked: TestRedis;
  /** At 127.0.0.1:6380. */
  other: TestRedis;
  /** Shell commands that put who comes after them into that network. */
  enter: string;
  close(): Promise<void>;
};

/** Starts both with the latency monitor on, a slow log of everything, and no memory of the host's own servers. */
export async function startBusyRedis(settings: string[] = []): Promise<BusyRedis> {
  const network = await openNetwork();
  const within = ["nsenter", `--net=/proc/${network.pid}/ns/net`];
  const all = [
    ...["--slowlog-log-slower-than", "0", "--latency-monitor-threshold", "5"],
    ...["--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0", ...settings],
  ];
  const asked = await startRedis({ within, port: 6379, settings: all });
  const other = await startRedis({ within, port: 6380, settings: all });
  return {
    ...{ asked, other },
    enter: `exec ${within.join(" ")} "$@"`,
    async close() {
      await Promise.all([asked.close(), other.close()]);
      network.kill("SIGKILL");
    },
  };
}

/** A network with loopback alone, as long as its process lives: until this one ends. */
async function openNetwork(): Promise<ChildProcess> {
  const script = "ip link set lo up && echo ready && exec cat";
  const holder = spawn("unshare", ["--net", "sh", "-c", script], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(holder.stdout, "data");
  return holder;
}
