import { probe, read, t } from "@sonde/pack-sdk/author";
import { parseFields, splitLines } from "@sonde/pack-sdk/parse";
import * as sources from "./sources.ts";

const milliseconds = (description: string) => t.nullable(t.number({ description }));

export const timeSync = probe({
  description:
    "Whether the host's clock is kept right: by chrony or systemd-timesyncd, from which server, and how far it is off. A " +
    "clock that is off breaks certificates, logins and logs. null where nobody on the host tells.",
  result: t.object({
    isSynchronized: t.nullable(t.boolean()),
    isEnabled: t.nullable(t.boolean({ description: "systemd has a time service switched on" })),
    service: t.nullable(t.string({ description: "chrony or systemd-timesyncd" })),
    server: t.nullable(t.string()),
    stratum: t.nullable(t.integer({ description: "steps to a reference clock" })),
    behindMs: milliseconds("the clock behind true time, negative: ahead; chrony alone tells"),
    lastOffsetMs: milliseconds("at the last answer of the server"),
    updatedAt: t.nullable(t.string({ description: "ISO 8601, UTC: the server's last answer" })),
    timeZone: t.nullable(t.string()),
    isHardwareClockLocal: t.nullable(t.boolean({ description: "true goes wrong at each summer" })),
    notRead: t.array(t.string(), { description: "what could not be asked, and why" }),
  }),
  reads: {
    settings: read(sources.timeSettings, { optional: true }),
    timesyncd: read(sources.timesyncd, { optional: true }),
    chrony: read(sources.chrony, { optional: true }),
  },
  run({ reads }) {
    const settings = parseFields(reads.settings.ok ? reads.settings.stdout : "", "=");
    const chrony = reads.chrony.ok ? parseTracking(reads.chrony.stdout) : null;
    const timesyncd = reads.timesyncd.ok ? parseTimesyncd(reads.timesyncd.stdout) : null;
    const kept = chrony ?? timesyncd;
    // A host has one of the two services at most.
    const failed = [reads.settings, ...(kept === null ? [reads.timesyncd, reads.chrony] : [])];
    return {
      isSynchronized: chrony?.isSynchronized ?? flagOf(settings.get("NTPSynchronized")),
      isEnabled: flagOf(settings.get("NTP")),
      service: kept?.service ?? null,
      server: kept?.server ?? null,
      stratum: kept?.stratum ?? null,
      behindMs: chrony?.behindMs ?? null,
      lastOffsetMs: chrony?.lastOffsetMs ?? null,
      updatedAt: chrony?.updatedAt ?? null,
      timeZone: settings.get("Timezone") || null,
      isHardwareClockLocal: flagOf(settings.get("LocalRTC")),
      notRead: failed.flatMap((look) => (look.ok ? [] : [look.failure.message])),
    };
  },
});

function flagOf(word: string | undefined): boolean | null {
  return word === "yes" ? true : word === "no" ? false : null;
}

const FIELDS = 14;

/** One line of 14 values, as chronyc(1) lists them under `tracking`; null of anything else. */
function parseTracking(stdout: string) {
  const [line = ""] = splitLines(stdout);
  const fields = line.split(",");
  const [, server, stratum, updated, behind, lastOffset] = fields;
  const leap = fields[FIELDS - 1];
  if (fields.length !== FIELDS || leap === undefined) return null;
  const updatedMs = Math.round(Number(updated) * 1000);
  return {
    service: "chrony",
    isSynchronized: leap !== "Not synchronised",
    server: server === "" || server === undefined ? null : server,
    stratum: wholeOf(stratum),
    behindMs: toMs(behind),
    lastOffsetMs: toMs(lastOffset),
    updatedAt: updatedMs > 0 ? new Date(updatedMs).toISOString() : null,
  };
}

function parseTimesyncd(stdout: string) {
  const fields = parseFields(stdout, "=");
  const address = fields.get("ServerAddress") ?? "";
  const name = fields.get("ServerName") ?? "";
  if (fields.size === 0) return null;
  return {
    service: "systemd-timesyncd",
    server: address || name || null,
    stratum: wholeOf(/ Stratum=(\d+)/.exec(fields.get("NTPMessage") ?? "")?.[1]),
  };
}

function wholeOf(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,3}$/.test(text) ? Number(text) : null;
}

/** Seconds in milliseconds, to a microsecond. */
function toMs(seconds: string | undefined): number | null {
  const value = Number(seconds === "" ? Number.NaN : seconds);
  return Number.isFinite(value) ? Math.round(value * 1_000_000) / 1000 : null;
}
