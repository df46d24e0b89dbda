import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "./random.ts";
import { type Direction, SWARM, type Victim, type World } from "./world.ts";

/** Something that goes wrong, and is over when `happen` returns. */
export type Fault = {
  /** Has the numbers that the seed gave. */
  name: string;
  /** Who must get over it without ending. */
  spares?: readonly Victim[];
  /** @returns what was seen of it, or null */
  happen(world: World): Promise<string | null>;
};

/** What a process hands to the network and to PostgreSQL. */
const WRITES = "write,writev,sendto,sendmsg";
/** What makes something last. */
const DURABLE = "pwrite64,fdatasync,fsync,rename,ftruncate,unlink,link";
/** So long a process may take to come to the call at which it is killed. */
const REACH_MS = 4_000;

/** By kind: a fault with numbers of its own. */
const FAULTS: Record<string, (random: Random) => Fault> = {
  /** Whatever the hub does next, it dies just before one of its steps: before or after a commit, a send or an answer. */
  "hub-at-step": (random) => killAtCall(random.pick(["hub", "second hub"]), WRITES, random, 40),
  "agent-at-step": (random) => killAtCall("agent", DURABLE, random, 6),
  "agent-at-send": (random) => killAtCall("agent", WRITES, random, 20),
  killed: (random) => {
    const victim = random.pick<Victim>(["hub", "second hub", "agent", "runner", "registry"]);
    return {
      name: `the ${victim} is killed`,
      happen: async (world) => {
        await world.kill(victim);
        return null;
      },
    };
  },
  "all-killed": () => ({
    name: "agent, runner and both hubs are killed at once",
    async happen(world) {
      for (const victim of ["agent", "runner", "hub"] as const) world.signal(victim, "SIGKILL");
      await world.kill("second hub");
      return null;
    },
  }),
  "database-crash": () => ({
    name: "PostgreSQL crashes and starts again",
    async happen({ database }) {
      await database.crash();
      return null;
    },
  }),
  failover: (random) => {
    const [ms, comesBack] = [random.integer(0, 3_000), random.pick([true, false])];
    const after = comesBack ? ", and comes back as if nothing had happened" : "";
    return {
      name: `the server of the database is lost${after}; its standby takes writes ${ms} ms later`,
      spares: ["hub", "second hub", "agent"],
      async happen({ database }) {
        await database.failOver(ms, comesBack);
        return null;
      },
    };
  },
  "database-stalls": (random) => {
    const ms = random.integer(500, 4_000);
    return {
      name: `PostgreSQL stands still for ${ms} ms`,
      async happen({ database }) {
        database.signal("SIGSTOP");
        await sleep(ms);
        database.signal("SIGCONT");
        return null;
      },
    };
  },
  stalls: (random) => {
    const victim = random.pick<Victim>(["hub", "second hub", "agent"]);
    const ms = random.integer(500, 4_000);
    return {
      name: `the ${victim} stands still for ${ms} ms`,
      async happen(world) {
        world.signal(victim, "SIGSTOP");
        await sleep(ms);
        world.signal(victim, "SIGCONT");
        return null;
      },
    };
  },
  "slow-sync": (random) => {
    const [ms, delayMs] = [random.integer(2_000, 4_000), random.integer(100, 900)];
    return {
      name: `each sync of the agent's disk takes ${delayMs} ms more, for ${ms} ms`,
      async happen(world) {
        const delay = `delay_enter=${delayMs * 1000}`;
        return (await world.injectInto("agent", "fdatasync", delay, ms)).seen;
      },
    };
  },
  "failed-sync": (random) => {
    const when = random.integer(1, 3);
    return {
      name: `sync ${when} of the agent's disk fails`,
      async happen(world) {
        const failing = `error=EIO:when=${when}`;
        const { seen } = await world.injectInto("agent", "fdatasync", failing, 1_500);
        // What is really on the disk, only a start reads.
        await world.kill("agent");
        return seen;
      },
    };
  },
  "power-cut": () => ({
    name: "the agent's host loses its power, and what was not on its disk",
    async happen(world) {
      await world.cutPower();
      return null;
    },
  }),
  "full-disk": (random) => {
    const ms = random.integer(1_000, 4_000);
    return {
      name: `the disk of all is full for ${ms} ms`,
      async happen({ disk }) {
        await disk.fill();
        await sleep(ms);
        disk.free();
        return null;
      },
    };
  },
  partition: (random) => {
    const direction = random.pick<Direction>(["both ways", "to the hub", "to the agent"]);
    const ms = random.integer(1_000, 6_000);
    return {
      name: `packets between agent and hub are lost ${direction} for ${ms} ms`,
      async happen({ network }) {
        await network.lose(direction);
        await sleep(ms);
        await network.heal();
        return null;
      },
    };
  },
  "connections-reset": (random) => {
    const times = random.integer(3, 10);
    return {
      name: `the agent's connections are reset ${times} times in a row`,
      async happen({ network }) {
        for (let time = 0; time < times; time += 1) {
          await network.reset();
          await sleep(100);
        }
        return null;
      },
    };
  },
  "clock-jump": (random) => jumpClock("second hub", random),
  "host-clock-jump": (random) => jumpClock("host", random),
  storm: (random) => {
    const times = random.integer(1, 3);
    const isKilled = random.pick([true, false]);
    const how = isKilled ? "and the hub with them" : "while the hub runs on";
    return {
      name: `the connections of ${SWARM + 1} agents end ${times} times, ${how}`,
      ...(!isKilled && { spares: ["hub"] }),
      async happen(world) {
        for (let time = 0; time < times; time += 1) await world.storm(isKilled);
        return null;
      },
    };
  },
};

export const FAULT_KINDS: readonly string[] = Object.keys(FAULTS);

/**
 * The faults of a seed, without an end: each kind once, in a new order, then again.
 *
 * @param kinds of FAULT_KINDS, at least one
 */
export function* planFaults(
  random: Random,
  kinds: readonly string[] = FAULT_KINDS,
): Generator<Fault & { kind: string }, never> {
  const wanted = Object.entries(FAULTS).filter(([kind]) => kinds.includes(kind));
  for (;;) {
    for (const [kind, make] of random.shuffle(wanted)) yield { kind, ...make(random) };
  }
}

function jumpClock(whose: "host" | "second hub", random: Random): Fault {
  const [unit, most] = random.pick([
    [1, 3_600],
    [3_600, 23],
    [86_400, 1],
  ] as const);
  const seconds = random.pick([-1, 1]) * unit * random.integer(1, most);
  const ms = random.integer(1_000, 4_000);
  const clock = whose === "host" ? "the clock of the agent's host" : "the second hub's clock";
  return {
    name: `${clock} is off by ${seconds} s for ${ms} ms`,
    spares: whose === "host" ? ["agent", "runner"] : ["second hub"],
    async happen({ clocks }) {
      clocks[whose].set(seconds);
      await sleep(ms);
      clocks[whose].set(0);
      return null;
    },
  };
}

function killAtCall(victim: Victim, calls: string, random: Random, most: number): Fault {
  const when = random.integer(1, most);
  return {
    name: `the ${victim} dies at its call ${when} of ${calls}`,
    async happen(world) {
      const kill = `signal=SIGKILL:when=${when}`;
      const { seen, hasEnded } = await world.injectInto(victim, calls, kill, REACH_MS);
      // A quiet process does not come so far, and dies all the same.
      if (!hasEnded) await world.kill(victim);
      await world.reviveSecondHub();
      return hasEnded ? seen : `it came to none in ${REACH_MS} ms, and was killed`;
    },
  };
}
