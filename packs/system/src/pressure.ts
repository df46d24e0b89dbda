import { probe, read, t } from "@sonde/pack-sdk/author";
import { parsePressure } from "./parse-pressure.ts";
import * as sources from "./sources.ts";

const stall = t.nullable(
  t.object({
    avg10Percent: t.number(),
    avg60Percent: t.number(),
    avg300Percent: t.number(),
    totalSeconds: t.number({ description: "since boot" }),
  }),
);
const pressure = t.nullable(t.object({ some: stall, full: stall }));

export const pressureProbe = probe({
  description:
    "Pressure stall information: the share of time in which some task, or every task that is not idle " +
    "(full), waited for CPU, memory, I/O or interrupts, over 10, 60 and 300 s. Tells a busy host from one " +
    "that is short of something. Null where the kernel does not report it.",
  result: t.object({ cpu: pressure, memory: pressure, io: pressure, irq: pressure }),
  reads: {
    cpu: read(sources.cpuPressure, { optional: true }),
    memory: read(sources.memoryPressure, { optional: true }),
    io: read(sources.ioPressure, { optional: true }),
    irq: read(sources.irqPressure, { optional: true }),
  },
  run({ reads }) {
    const of = (look: { ok: false } | { ok: true; text: string }) =>
      look.ok ? parsePressure(look.text) : null;
    return {
      cpu: of(reads.cpu),
      memory: of(reads.memory),
      io: of(reads.io),
      irq: of(reads.irq),
    };
  },
});
