import { probe, t } from "@sonde/pack-sdk/author";
import { items, members, type Members, parseJson } from "@sonde/pack-sdk/parse";
import * as sources from "./sources.ts";

export const blockDevices = probe({
  description:
    "Disks, partitions, RAID and LVM devices as a tree in one list: size, kind, filesystem, where mounted, " +
    "model, and whether read-only, removable or rotating. Use system_disk_usage for how full filesystems are.",
  result: t.object({
    devices: t.array(
      t.object({
        name: t.string(),
        parent: t.nullable(t.string()),
        kind: t.string({ description: "disk, part, lvm, crypt, raid1, loop, rom" }),
        sizeBytes: t.integer(),
        filesystem: t.nullable(t.string(), {
          description: "null also where the agent may not look",
        }),
        mountPoints: t.array(t.string()),
        model: t.nullable(t.string()),
        state: t.nullable(t.string({ description: "running, offline, suspended" })),
        readOnly: t.boolean(),
        removable: t.boolean(),
        rotating: t.boolean(),
      }),
    ),
    incomplete: t.boolean(),
  }),
  reads: { devices: sources.blockDevices },
  run({ reads }) {
    const { stdout, truncated } = reads.devices;
    const { list, isWhole } = truncated
      ? { list: [], isWhole: false }
      : { list: items(members(parseJson(stdout, "lsblk")).get("blockdevices")), isWhole: true };
    return { devices: flatten(list, null), incomplete: !isWhole };
  },
});

/** The tree of `lsblk -J`, each device after its parent. A device of several parents is listed once. */
function flatten(list: readonly unknown[], parent: string | null): Device[] {
  const seen = new Set<string>();
  const walk = (entries: readonly unknown[], above: string | null): Device[] =>
    entries.flatMap((entry) => {
      const device = members(entry);
      const name = text(device, "name");
      if (name === null || seen.has(name)) return [];
      seen.add(name);
      return [describe(name, above, device), ...walk(items(device.get("children")), name)];
    });
  return walk(list, parent);
}

type Device = ReturnType<typeof describe>;

function describe(name: string, parent: string | null, device: Members) {
  return {
    name,
    parent: text(device, "pkname") ?? parent,
    kind: text(device, "type") ?? "unknown",
    sizeBytes: Number(device.get("size") ?? 0),
    filesystem: text(device, "fstype"),
    mountPoints: items(device.get("mountpoints")).filter((path) => typeof path === "string"),
    model: text(device, "model")?.trim() ?? null,
    state: text(device, "state"),
    readOnly: device.get("ro") === true,
    removable: device.get("rm") === true,
    rotating: device.get("rota") === true,
  };
}

function text(device: Members, name: string): string | null {
  const value = device.get(name);
  return typeof value === "string" ? value : null;
}
