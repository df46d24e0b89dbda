import { probe, read, t } from "@sonde/pack-sdk/author";
import { compareText, parseFields } from "@sonde/pack-sdk/parse";
import { listOf, numberOf, parseUnits, textOf, type Unit } from "./parse-units.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 15;
const MAX_CHAIN = 50;
const phase = (description: string) => t.nullable(t.integer({ description }));

export const bootSlow = probe({
  description:
    "What made the last boot slow: how long firmware, kernel and userspace took, which units took longest to start, and " +
    "the chain of units that each waited for the one before, down to the boot's target. Units started later are left out.",
  params: t.object({
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 200, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    systemState: t.nullable(t.string({ description: "running, degraded, starting, ..." })),
    isFinished: t.boolean(),
    firmwareMs: phase("null where the machine does not tell"),
    loaderMs: phase("the boot loader"),
    kernelMs: phase("null in a container"),
    initrdMs: phase("null without one"),
    userspaceMs: phase("null while the host boots"),
    startedCount: t.integer({ description: "units that took time" }),
    slowest: t.array(
      t.object({
        name: t.string(),
        startedAtMs: t.integer({ description: "since userspace began" }),
        tookMs: t.integer(),
      }),
    ),
    chain: t.array(
      t.object({
        name: t.string(),
        activeAtMs: t.integer({ description: "since userspace began" }),
        tookMs: t.integer(),
      }),
      { description: "the target last; each waited for the one before" },
    ),
    incomplete: t.boolean({ description: "the list was cut" }),
  }),
  reads: {
    manager: sources.manager,
    units: sources.bootUnits,
    target: read(sources.unit, { with: { name: "default.target" } }),
  },
  run({ params, reads }) {
    const boot = parseBoot(reads.manager.stdout);
    const { units, incomplete } = parseUnits(reads.units);
    const started = new Map(
      units.flatMap((unit): [string, Start][] => {
        const start = parseStart(unit, boot);
        return start === null ? [] : [[unit.get("Id") ?? "", start]];
      }),
    );
    const slow = [...started]
      .map(([name, start]) => ({
        name,
        startedAtMs: toMs(start.began),
        tookMs: toMs(start.took),
      }))
      .filter(({ tookMs }) => tookMs > 0)
      .sort((a, b) => b.tookMs - a.tookMs || compareText(a.name, b.name));
    const target = parseUnits(reads.target).units[0]?.get("Id") ?? "";
    return {
      ...boot.shown,
      startedCount: slow.length,
      slowest: slow.slice(0, params.limit ?? DEFAULT_LIMIT),
      chain: findChain(started, target).map(([name, { activated, took }]) => ({
        name,
        activeAtMs: toMs(activated),
        tookMs: toMs(took),
      })),
      incomplete,
    };
  },
});

/** Times in µs since userspace began. */
type Start = { began: number; activated: number; took: number; after: string[] };
type Boot = ReturnType<typeof parseBoot>;

const toMs = (micros: number): number => Math.round(micros / 1000);

/** What `systemd-detect-virt --container` knows, as far as systemd boots there. */
const CONTAINERS = new Set([
  ...["systemd-nspawn", "lxc", "lxc-libvirt", "docker", "podman", "openvz", "rkt", "wsl"],
  ...["proot", "pouch", "container-other"],
]);

/** All its times are of the clock that begins with the kernel, in µs. */
function parseBoot(stdout: string) {
  const manager = parseFields(stdout, "=");
  const at = (name: string): number => numberOf(manager, `${name}TimestampMonotonic`) ?? 0;
  const userspace = at("Userspace");
  const finish = at("Finish");
  const initrd = at("InitRD");
  const inContainer = CONTAINERS.has(manager.get("Virtualization") ?? "");
  const [firmware, loader] = [at("Firmware"), at("Loader")];
  return {
    ...{ userspace, finish },
    shown: {
      systemState: textOf(manager, "SystemState"),
      isFinished: finish > 0,
      firmwareMs: firmware > 0 ? toMs(firmware - loader) : null,
      loaderMs: loader > 0 ? toMs(loader) : null,
      kernelMs: inContainer ? null : toMs(initrd > 0 ? initrd : userspace),
      initrdMs: initrd > 0 ? toMs(userspace - initrd) : null,
      userspaceMs: finish > 0 ? toMs(finish - userspace) : null,
    },
  };
}

function parseStart(unit: Unit, { userspace, finish }: Boot): Start | null {
  const began = numberOf(unit, "InactiveExitTimestampMonotonic") ?? 0;
  if (began === 0 || (finish > 0 && began > finish)) return null;
  const activated = numberOf(unit, "ActiveEnterTimestampMonotonic") ?? 0;
  const ended = numberOf(unit, "InactiveEnterTimestampMonotonic") ?? 0;
  // As `systemd-analyze blame` counts: until it was active, or until it was done.
  const until = activated >= began ? activated : Math.max(ended, began);
  return {
    began: began - userspace,
    activated: activated === 0 ? 0 : activated - userspace,
    took: until - began,
    after: listOf(unit, "After"),
  };
}

/**
 * Goes back from the target, each time to the unit that was active last of those that it came after,
 * as `systemd-analyze critical-chain` does.
 */
function findChain(started: ReadonlyMap<string, Start>, target: string): [string, Start][] {
  const chain: [string, Start][] = [];
  let name: string | undefined = target;
  while (name !== undefined && chain.length < MAX_CHAIN) {
    const start: Start | undefined = started.get(name);
    if (start === undefined || chain.some(([known]) => known === name)) break;
    chain.unshift([name, start]);
    name = start.after
      .filter((before) => (started.get(before)?.activated ?? 0) > 0)
      .toSorted(
        (a, b) =>
          (started.get(b)?.activated ?? 0) - (started.get(a)?.activated ?? 0) || compareText(a, b),
      )[0];
  }
  return chain;
}
