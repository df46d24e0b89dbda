import { createHash } from "node:crypto";
import { scrubPlainText } from "../../foundation/scrub/src/plain-text.ts";
import { compileOwnRules } from "../../foundation/scrub/src/own-patterns.ts";
import { startOwn } from "../../foundation/scrub/src/scrub.ts";
import { round } from "./statistics.ts";

/** Bytes of the corpus, which is ASCII. */
const SIZE = 4_000_000;
/** One line in so many has a secret. */
const SECRET_EVERY = 50;

/** Measures how many MB of text the scrubber takes in a second of CPU, best of several rounds. */
export async function measureScrub(quick: boolean) {
  const text = buildText();
  const rounds = quick ? 3 : 10;
  const badge = { name: "badge", pattern: "BADGE-[0-9]{6}", example: "BADGE-000000" };
  const patterns = await compileOwnRules([badge]);
  const now = () => performance.now();
  const onShown = () => undefined;
  const window = { from: 0, to: text.length };
  const measure = (work: () => void) => bestRate(text.length, rounds, work);
  const withAll = measure(() => scrubPlainText(text, window, { now, onShown }));
  const withoutEncodings = measure(() =>
    scrubPlainText(text, window, { now, onShown, isDecoded: true }),
  );
  const withOwnPattern = measure(() =>
    scrubPlainText(text, window, { now, onShown, own: startOwn(patterns) }),
  );
  // What reading each character once with a pattern costs here.
  const floor = measure(() => text.replaceAll(/[a-z]\.[A-Z]{3}/g, ""));
  return {
    megabytes: SIZE / 1e6,
    megabytesPerSecond: { floor, withAll, withoutEncodings, withOwnPattern },
    ambitions: [
      { what: "everything on, MB/s", limit: 30, got: withAll, met: withAll >= 30 },
      {
        what: "without encodings, MB/s",
        limit: 60,
        got: withoutEncodings,
        met: withoutEncodings >= 60,
      },
    ],
  };
}

function bestRate(bytes: number, rounds: number, work: () => void): number {
  let best = Infinity;
  for (let index = 0; index < rounds; index += 1) {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, user + system);
  }
  return round(bytes / best);
}

/** Lines as logs, configurations, lists of processes and APIs have them. */
function buildText(): string {
  const lines: string[] = [];
  for (let index = 0, size = 0; size < SIZE; index += 1) {
    const line = index % SECRET_EVERY === 0 ? secretLine(index) : innocentLine(index);
    lines.push(line);
    size += line.length + 1;
  }
  return lines.join("\n").slice(0, SIZE);
}

function secretLine(index: number): string {
  const drawn = digestOf(index).toString("base64url");
  const assignment = `DB_PASSWORD=${drawn.slice(0, 16)}`;
  const forms = [
    assignment,
    `curl -H 'Authorization: Bearer ${drawn}' https://api.example.com/v1`,
    `postgres://app:${drawn.slice(0, 12)}@db.example.com:5432/app`,
    `payload ${Buffer.from(assignment).toString("base64")}`,
  ];
  return forms[(index / SECRET_EVERY) % forms.length] ?? assignment;
}

function innocentLine(index: number): string {
  const digest = digestOf(index);
  const second = String(index % 60).padStart(2, "0");
  const ip = `10.0.${index % 256}.${(index * 7) % 256}`;
  const forms = [
    `Nov 28 17:14:${second} web-1 sshd[${index}]: Accepted publickey for deploy from ${ip} port 50022 ssh2: ED25519 SHA256:${digest.toString("base64")}`,
    `${ip} - - [28/Nov/2026:17:14:${second} +0000] "GET /static/app.${digest.toString("hex").slice(0, 12)}.js HTTP/1.1" 200 ${index} "https://example.com/shop?page=${index % 9}" "Mozilla/5.0 (X11; Linux x86_64)"`,
    `root      ${index}  0.0  0.1  16${second}40  9${second}8 ?        Ss   Nov27   0:0${index % 9} /usr/sbin/nginx -g daemon on; master_process on;`,
    `{"level":"info","ts":"2026-11-28T17:14:${second}Z","msg":"request served","path":"/api/orders/${index}","durationMs":${index % 900},"trace":"${digest.toString("hex").slice(0, 32)}"}`,
    `server_names_hash_bucket_size 64; keepalive_timeout ${index % 99}; root /var/www/site-${index % 12};`,
    `tcp   LISTEN 0      511          0.0.0.0:${8000 + (index % 999)}       0.0.0.0:*    users:(("nginx",pid=${index},fd=6))`,
    `systemd[1]: Started session-${index}.scope - Session ${index} of User deploy.`,
    `/dev/mapper/vg0-data${index % 9}  ext4   ${index}G  ${index % 99}G  12G  ${index % 100}% /srv/data${index % 9}`,
  ];
  return forms[index % forms.length] ?? "";
}

function digestOf(index: number): Buffer {
  return createHash("sha256").update(String(index)).digest();
}
