import type { AuditEntry, AuditRecord } from "@sonde/schemas/audit";

/** Log audit (RFC 5424, table 1). */
const FACILITY = 13;
const SEVERITY = { info: 6, ok: 6, denied: 4, failure: 4 } as const;
/**
 * The names of structured data need a private enterprise number. 32473 is the one for examples
 * (RFC 5612), since this project has none.
 */
const DATA_ID = "sonde@32473";
const CUT = "cut";

/**
 * Renders an entry as a message of syslog in RFC 5424's format, all in ASCII: MSG is the record as JSON,
 * in which other characters are escaped, so that no byte order mark is needed (clause 6.4).
 *
 * @param host the name of this hub, for HOSTNAME
 * @param maxBytes a longer message loses the members of the record's detail that do not fit; `cut` in
 *   detail and in the structured data then says how many bytes the whole detail has
 */
export function renderSyslog(entry: AuditEntry, host: string, maxBytes: number): string {
  const { record } = entry;
  const whole = renderWith(entry, host, record, null);
  if (whole.length <= maxBytes) return whole;
  const bytes = toAscii(record.detail).length;
  const kept: AuditRecord["detail"] = { [CUT]: { bytes } };
  let room = maxBytes - renderWith(entry, host, { ...record, detail: kept }, bytes).length;
  for (const [name, value] of Object.entries(record.detail)) {
    const size = toAscii({ [name]: value }).length - 1;
    if (name === CUT || size > room) continue;
    kept[name] = value;
    room -= size;
  }
  return renderWith(entry, host, { ...record, detail: kept }, bytes);
}

/** Octet counting (RFC 6587, clause 3.4.1; RFC 5425, clause 4.3). @param message in ASCII */
export function frameSyslog(message: string): string {
  return `${message.length} ${message}`;
}

function renderWith(
  { seq, hash }: AuditEntry,
  host: string,
  record: AuditRecord,
  cut: number | null,
): string {
  const priority = FACILITY * 8 + SEVERITY[record.status];
  const { at, event, principal } = record;
  const parameters = [
    ["seq", String(seq)],
    ["hash", hash],
    ["event", event],
    ...(principal === null ? [] : [["who", principal]]),
    ...(cut === null ? [] : [["cut", String(cut)]]),
  ];
  const data = parameters.map(([name, value = ""]) => ` ${name}="${escapeValue(value)}"`).join("");
  const header = `<${priority}>1 ${at} ${nameOf(host)} sonde-hub - ${event}`;
  return `${header} [${DATA_ID}${data}] ${toAscii(record)}`;
}

/** Clause 6.3.3. What is not printable in ASCII becomes `?`; the record in MSG has it whole. */
function escapeValue(value: string): string {
  return value.replaceAll(/[^ -~]/g, "?").replaceAll(/["\\\]]/g, "\\$&");
}

/** PRINTUSASCII, at most 255 (clause 6). */
function nameOf(host: string): string {
  return host.replaceAll(/[^!-~]/g, "").slice(0, 255) || "-";
}

function toAscii(value: object): string {
  return JSON.stringify(value).replaceAll(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
