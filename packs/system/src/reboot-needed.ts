import { probe, read, t } from "@sonde/pack-sdk/author";
import { compareText, splitLines } from "@sonde/pack-sdk/parse";
import * as sources from "./sources.ts";

export const rebootNeeded = probe({
  description:
    "Whether the host waits for a reboot: what packages have asked for it (/run/reboot-required), and whether a " +
    "newer kernel is installed than the one that runs. null when neither can be told.",
  result: t.object({
    needed: t.nullable(t.boolean()),
    reasons: t.array(t.string()),
    packages: t.array(t.string({ description: "that asked for a reboot" })),
    runningKernel: t.string(),
    newestInstalledKernel: t.nullable(t.string(), {
      description: "null when /boot does not have the one that runs, as in containers",
    }),
  }),
  reads: {
    kernel: sources.kernelRelease,
    kernels: read(sources.kernels, { optional: true }),
    required: read(sources.rebootRequired, { optional: true }),
    packages: read(sources.rebootPackages, { optional: true }),
  },
  run({ reads }) {
    const runningKernel = reads.kernel.text.trim();
    const installed = (reads.kernels.ok ? reads.kernels.entries : [])
      .flatMap(({ name }) => /^vmlinuz-(.+)$/.exec(name)?.[1] ?? [])
      .sort(compareVersions);
    const newest = installed.includes(runningKernel) ? (installed.at(-1) ?? null) : null;
    const couldLook = reads.required.ok || reads.required.failure.code === "SOURCE_NOT_FOUND";
    const reasons = [
      ...(reads.required.ok ? ["a package asked for it"] : []),
      ...(newest !== null && newest !== runningKernel ? [`kernel ${newest} is installed`] : []),
    ];
    return {
      needed: reasons.length > 0 ? true : couldLook ? false : null,
      reasons,
      packages: reads.packages.ok ? [...new Set(splitLines(reads.packages.text))].sort() : [],
      runningKernel,
      newestInstalledKernel: newest,
    };
  },
});

/** Compares numbers as numbers and the rest as text, so that 6.1.0-9 comes before 6.1.0-10. */
function compareVersions(a: string, b: string): number {
  const left = splitVersion(a);
  const right = splitVersion(b);
  const index = left.findIndex((part, at) => part !== right[at]);
  const [one, other] = [left[index], right[index]];
  if (one === undefined) return left.length - right.length;
  if (other === undefined) return 1;
  const areNumbers = /^\d/.test(one) && /^\d/.test(other);
  return areNumbers ? Number(one) - Number(other) : compareText(one, other);
}

function splitVersion(version: string): string[] {
  return version.match(/\d+|\D+/g) ?? [];
}
