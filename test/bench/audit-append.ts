import { randomUUID } from "node:crypto";
import { type AuditEntry, buildAuditRecord } from "@sonde/schemas/audit";
import { type AuditStore, createAuditStore, openAudit } from "../../hub/src/audit/index.ts";
import { openAuditDatabase } from "./audit-database.ts";
import { cpuSince, readCpu } from "./comparison.ts";
import { median, ratePerSecond } from "./statistics.ts";

const CALLERS = [1, 64, 512];
const ROUNDS = 7;

export function keyOf(number: number): string {
  return `key:00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;
}

type Rate = { perSecond: number; cpuEachMs: Record<string, number> };
type Append = Rate & {
  callers: number;
  /** As many callers, each of which commits one row of the same bytes by itself. */
  bare: Rate;
  /** One caller that commits rows of the same bytes, as many together as the log did. */
  grouped: Rate & { rowsEach: number };
  /** Of the bare commits, and of the grouped ones. The median of the rounds. */
  share: number;
  groupedShare: number;
};

/** How fast the log is written. The three are measured in turn, so that what else the machine does slows each of them. */
export async function measureAppend(
  quick: boolean,
  say: (text: string) => void,
): Promise<Append[]> {
  const { sql, processes, close } = await openAuditDatabase();
  const rate = async (count: number, callers: number, work: () => Promise<unknown>) => {
    const before = readCpu(processes());
    const perSecond = await ratePerSecond(count, callers, work);
    return { perSecond, cpuEachMs: cpuSince(before, count) };
  };
  try {
    await sql`create table bare (seq bigint generated always as identity, record text not null)`;
    const found: Append[] = [];
    for (const callers of CALLERS) {
      say(`append at ${callers} callers ...`);
      const count = Math.ceil((callers === 1 ? 1_000 : 20_000) / (quick ? 5 : 1));
      const batches: AuditEntry[][] = [];
      const log = await openAudit(noting(createAuditStore(sql, randomUUID()), batches));
      await ratePerSecond(count, callers, () => log.append(buildCall()));
      const rounds: { own: Rate; bare: Rate; grouped: Rate; rowsEach: number }[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        batches.length = 0;
        const own = await rate(count, callers, () => log.append(buildCall()));
        const groups = batches.map((all) => all.map(({ record }) => JSON.stringify(record)));
        const rows = groups.flat().values();
        const bare = await rate(count, callers, async () => {
          await sql`insert into bare (record) values (${rows.next().value ?? ""})`;
        });
        const turn = groups.values();
        const each = await rate(groups.length, 1, async () => {
          const records = turn.next().value ?? [];
          await sql`insert into bare (record) select * from unnest(${sql.array(records)}::text[])`;
        });
        const rowsEach = count / groups.length;
        rounds.push({ own, bare, grouped: perRow(each, rowsEach), rowsEach });
      }
      const shareOf = (of: (one: (typeof rounds)[number]) => Rate) =>
        median(rounds.map((one) => one.own.perSecond / of(one).perSecond));
      found.push({
        callers,
        ...middle(rounds.map(({ own }) => own)),
        bare: middle(rounds.map(({ bare }) => bare)),
        grouped: {
          ...middle(rounds.map(({ grouped }) => grouped)),
          rowsEach: median(rounds.map(({ rowsEach }) => rowsEach)),
        },
        share: shareOf(({ bare }) => bare),
        groupedShare: shareOf(({ grouped }) => grouped),
      });
    }
    return found;
  } finally {
    await close();
  }
}

function perRow({ perSecond, cpuEachMs }: Rate, rows: number): Rate {
  const each = Object.entries(cpuEachMs).map(([role, ms]) => [role, ms / rows]);
  return { perSecond: perSecond * rows, cpuEachMs: Object.fromEntries(each) };
}

function middle(rates: readonly Rate[]): Rate {
  const roles = Object.keys(rates[0]?.cpuEachMs ?? {});
  const each = roles.map((role) => [
    role,
    median(rates.map(({ cpuEachMs }) => cpuEachMs[role] ?? Number.NaN)),
  ]);
  return {
    perSecond: median(rates.map(({ perSecond }) => perSecond)),
    cpuEachMs: Object.fromEntries(each),
  };
}

/** The same store; notes what is written together. */
function noting(store: AuditStore, batches: AuditEntry[][]): AuditStore {
  return {
    ...store,
    append(head, entries) {
      batches.push(entries);
      return store.append(head, entries);
    },
  };
}

let made = 0;
/** A request and an answer in turn, with what those of real calls have. */
export function buildCall() {
  made += 1;
  const pair = Math.floor(made / 2);
  const known = {
    callId: `00000000-0000-4000-9000-${String(pair).padStart(12, "0")}`,
    principal: keyOf(pair % 128),
    agent: `host-${pair % 1_024}`,
    probe: "system.disk.usage",
    packDigest: `sha256:${"ab".repeat(32)}`,
    status: "ok" as const,
  };
  const request = {
    ...{ decision: "allow", params: { path: `/srv/${pair}` } },
    pack: { name: "sonde/system", version: "1.4.0" },
    signer: { kind: "rsa-sha256", publisher: "sonde", keyId: `sha256:${"cd".repeat(32)}` },
    policyHash: `sha256:${"ef".repeat(32)}`,
  };
  const response = {
    hops: ["authorize", "audit", "agent"].map((hop, place) => ({ hop, ms: place + 0.25 })),
    redactions: { count: 0, rules: {} },
    ...{ truncated: false, bytes: 2_048 },
    envelope: {
      payloadType: "application/vnd.sonde.message+json",
      payload: "QUJD".repeat(150),
      signatures: [{ keyid: `sha256:${"12".repeat(32)}`, sig: "U2ln".repeat(21) }],
    },
  };
  return made % 2 === 0
    ? buildAuditRecord(new Date(), "call.request", { ...known, detail: request })
    : buildAuditRecord(new Date(), "call.response", {
        ...{ ...known, durationMs: 12.5 },
        detail: response,
      });
}
