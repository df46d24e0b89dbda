import { spawn } from "node:child_process";
import { join } from "node:path";
import { type Generation, createToolCaller, type ToolCaller } from "./mcp-load.ts";
import { cpuMs } from "./process-figures.ts";
import { ratePerSecond, round, summarize, timeEach } from "./statistics.ts";

const CONCURRENCY = 16;

/** Something that is called, and the processes whose CPU time its calls take, by role. */
type Side = { caller: ToolCaller; processes: () => Map<string, number[]> };

type Figures = {
  p50Ms: number;
  p99Ms: number;
  perSecondAt16: number;
  /** By role and summed. */
  cpuPerCallMs: { sequential: CpuFigures; at16: CpuFigures };
};

type CpuFigures = Record<string, number> & { total: number };

export type Comparison = {
  tool: string;
  generation: Generation;
  sonde: Figures;
  standIn: Figures;
  /** Sonde's rate at 16 callers divided by the stand-in's: above 1 is faster. */
  rateRatio: number;
  /** Sonde's sequential p50 divided by the stand-in's: below 1 is faster. */
  p50Ratio: number;
};

export type Rounds = { rounds: number; sequential: number; parallel: number };

/**
 * Measures two sides in turns, so that a change of the machine's speed meets both. Both are warm.
 * The median round gives each figure.
 */
export async function compare(sonde: Side, standIn: Side, counts: Rounds) {
  const sides = { sonde, standIn };
  const samples = { sonde: emptySamples(), standIn: emptySamples() };
  for (let turn = 0; turn < counts.rounds; turn++) {
    for (const name of ["sonde", "standIn"] as const) {
      const { caller, processes } = sides[name];
      const call = () => caller.call();
      const before = readCpu(processes());
      samples[name].times.push(...(await timeEach(counts.sequential, call)));
      samples[name].cpu.push(cpuSince(before, counts.sequential));
      const between = readCpu(processes());
      samples[name].rates.push(await ratePerSecond(counts.parallel, CONCURRENCY, call));
      samples[name].cpuAt16.push(cpuSince(between, counts.parallel));
    }
  }
  const figures = { sonde: figuresOf(samples.sonde), standIn: figuresOf(samples.standIn) };
  return {
    ...figures,
    rateRatio: round(figures.sonde.perSecondAt16 / figures.standIn.perSecondAt16),
    p50Ratio: round(figures.sonde.p50Ms / figures.standIn.p50Ms),
  };
}

type Cpu = Record<string, number>;
type Samples = { times: number[]; rates: number[]; cpu: Cpu[]; cpuAt16: Cpu[] };

function emptySamples(): Samples {
  return { times: [], rates: [], cpu: [], cpuAt16: [] };
}

function figuresOf({ times, rates, cpu, cpuAt16 }: Samples): Figures {
  const { p50Ms, p99Ms } = summarize(times);
  return {
    p50Ms,
    p99Ms,
    perSecondAt16: summarize(rates).p50Ms,
    cpuPerCallMs: { sequential: averageCpu(cpu), at16: averageCpu(cpuAt16) },
  };
}

function averageCpu(rounds: Cpu[]): CpuFigures {
  const byRole = Object.keys(rounds[0] ?? {}).map((role): [string, number] => [
    role,
    round(rounds.reduce((sum, figures) => sum + (figures[role] ?? 0), 0) / rounds.length),
  ]);
  const total = round(byRole.reduce((sum, [, ms]) => sum + ms, 0));
  return { ...Object.fromEntries(byRole), total };
}

type CpuReading = Map<string, (readonly [pid: number, ms: number])[]>;

export function readCpu(processes: Map<string, number[]>): CpuReading {
  return new Map(
    [...processes].map(([role, pids]) => [role, pids.map((pid) => [pid, cpuMs(pid)] as const)]),
  );
}

/** CPU time per call since a reading, in ms, by role. */
export function cpuSince(before: CpuReading, calls: number): Record<string, number> {
  return Object.fromEntries(
    [...before].map(([role, pids]) => [
      role,
      round(pids.reduce((sum, [pid, then]) => sum + cpuMs(pid) - then, 0) / calls),
    ]),
  );
}

/** Starts the stand-in and returns one side of a comparison for each generation of client. */
export async function startStandIn() {
  const child = spawn(process.execPath, [join(import.meta.dirname, "stand-in.ts")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const port = await new Promise<number>((done, fail) => {
    child.once("exit", (code) => fail(new Error(`the stand-in ended with ${code}`)));
    child.stdout.once("data", (chunk: Buffer) => done(Number(chunk.toString())));
  });
  const pid = child.pid ?? 0;
  return {
    async side(generation: Generation): Promise<Side> {
      const server = { url: `http://127.0.0.1:${port}/mcp`, key: "none", generation };
      const caller = await createToolCaller(server, "df", {});
      return { caller, processes: () => new Map([["stand-in", [pid]]]) };
    },
    stop: () => child.stdin.end(),
  };
}
