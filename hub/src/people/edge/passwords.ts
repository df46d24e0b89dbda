import { argon2, randomBytes, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { SondeError } from "@sonde/schemas/errors";

/** The OWASP Password Storage Cheat Sheet's first choice for argon2id: 19 MiB, two passes. */
const COST = { memory: 19_456, passes: 2, parallelism: 1, tagLength: 32 } as const;
const SALT_BYTES = 16;
const STORED = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([\w+/]+)\$([\w+/]+)$/;
/** At once, of all who ask: each hash takes 19 MiB and tens of ms of a processor. */
const AT_ONCE = 2;
const WAITING = 32;

const derive = promisify(argon2);

/**
 * Hashes and compares passwords. People whom the hub knows have a lane of their own, so that a flood
 * of strangers' guesses does not keep them out.
 */
export type Passwords = {
  hash(password: string): Promise<string>;
  /**
   * Takes the same time without a hash, so that an unknown name looks like a wrong password.
   *
   * @throws SondeError TOO_MANY_ATTEMPTS when the lane is full
   */
  isRight(stored: string | null, password: string, lane: "known" | "stranger"): Promise<boolean>;
};

export function createPasswords(): Passwords {
  const lanes = { known: createLane(), stranger: createLane() };
  const nobody = encode(randomBytes(SALT_BYTES), randomBytes(COST.tagLength));
  return {
    async hash(password) {
      const salt = randomBytes(SALT_BYTES);
      const tag = await lanes.known(() => compute(password, salt, COST));
      return encode(salt, tag);
    },
    async isRight(stored, password, lane) {
      const [, memory, passes, parallelism, salt = "", tag = ""] =
        STORED.exec(stored ?? nobody) ?? [];
      const expected = Buffer.from(tag, "base64");
      const cost = {
        memory: Number(memory),
        passes: Number(passes),
        parallelism: Number(parallelism),
        tagLength: expected.length,
      };
      const found = await lanes[lane](() => compute(password, Buffer.from(salt, "base64"), cost));
      return timingSafeEqual(found, expected) && stored !== null;
    },
  };
}

async function compute(
  password: string,
  nonce: Buffer,
  cost: { memory: number; passes: number; parallelism: number; tagLength: number },
): Promise<Buffer> {
  // NIST SP 800-63B, 3.1.1.2: the same characters on all keyboards.
  return await derive("argon2id", { ...cost, nonce, message: password.normalize("NFKC") });
}

function encode(salt: Buffer, tag: Buffer): string {
  const text = (bytes: Buffer) => bytes.toString("base64").replace(/=+$/, "");
  const { memory, passes, parallelism } = COST;
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${text(salt)}$${text(tag)}`;
}

type Lane = <T>(work: () => Promise<T>) => Promise<T>;

function createLane(): Lane {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (running < AT_ONCE) running += 1;
    else if (waiting.length < WAITING) await new Promise<void>((go) => waiting.push(go));
    else throw new SondeError("TOO_MANY_ATTEMPTS", "expected fewer sign-ins at once, got more");
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
