import { type Candidate } from "./candidates.ts";
import { isReference } from "./expressions.ts";

/**
 * What stands before a word that names no secret: a digest, a class, a list, a secret's address, the
 * service of a PAM module.
 */
const NO_NAME =
  /(?:\bpam_\w{1,20}\(|\{\{resolve:[^{}]{0,50}|:(?:param|type) |checksum\/|\bclass |Mountable |Image pull |secretsmanager:[\w-]{0,20}:[0-9]{0,12}:)$/;
const METRIC = /(?:^|\n)[a-z_:]{3,60}\{(?:[a-z_]{1,30}="[^"]{0,100}",){0,8}$/;
const PERMISSION = /^:(?:read|write|create|delete|list|admin|manage|revoke)\b/;

/** True for a secret's name whose surroundings say that no secret follows. */
export function isNoName(text: string, candidate: Candidate): boolean {
  const { name, start, valueAt, separator } = candidate;
  if (isReference(text, valueAt) || isClosingQuote(text, candidate)) return true;
  // A permission, as in `scope: "token:read"`.
  if (separator === ":" && PERMISSION.test(text.slice(valueAt - 1, valueAt + 8))) return true;
  // The end of a program's name in a log, as in `gdm-password]: opened`.
  const isTag = separator === ":" && text[start - 1] !== "[";
  if (isTag && text.startsWith("]:", start + name.length)) return true;
  // The end of a label, as in `<label>Password:</label>`, and a label of a metric about Secrets.
  if (text.startsWith("</", valueAt)) return true;
  if (name === "secret" && METRIC.test(text.slice(Math.max(0, start - 200), start))) return true;
  if (NO_NAME.test(text.slice(Math.max(0, start - 60), start))) return true;
  // A shell's complaint about an empty variable, as in `${TOKEN:?missing}`, or what it has instead.
  const isShell = text.slice(start - 2, start) === "${";
  return isShell && /^(?:\?|-[}$])/.test(text.slice(valueAt, valueAt + 2));
}

/** True for the quote that ends `"Password: "`. A member's name has its own quotes. */
function isClosingQuote(text: string, { start, valueAt, separator }: Candidate): boolean {
  if (
    separator !== ":" ||
    text[valueAt] !== '"' ||
    !(/[ \t]/.test(text[valueAt - 1] ?? "") || /^"[,)]/.test(text.slice(valueAt, valueAt + 2)))
  )
    return false;
  const before = text.slice(Math.max(0, start - 200), start);
  const line = before.slice(before.lastIndexOf("\n") + 1);
  return !/"\s{0,4}:\s*$/.test(text.slice(start, valueAt)) && line.split('"').length % 2 === 0;
}

/** True for a variable that is compared, and a description of an option, as in a usage text. */
export function isVariable(
  text: string,
  { name, start, separator, valueAt }: Candidate,
  value: string,
): boolean {
  // A variable that is passed on under its name, as in `this.token = token;`.
  const own = name.slice(name.lastIndexOf(".") + 1);
  const isCode =
    /[.>@]/.test(name + text[start - 1]) || /[;,)]/.test(text[valueAt + value.length] ?? "");
  if (isCode && value.replace(/^\$|[);,]+$/g, "") === own.replace(/^_/, "")) return true;
  // An annotation names an object, as in `ingress.example/auth-secret: basic-auth`.
  const prefix = text.slice(Math.max(0, start - 60), start);
  if (/[a-z]\.[a-z]{2,4}\/$/.test(prefix) && /^[a-z][a-z./-]{0,62}$/.test(value)) return true;
  if (separator.startsWith("==")) return /^[A-Za-z_.]+[:)]{0,2}$/.test(value);
  const isSpaced = separator === "--" && text.slice(valueAt - 2, valueAt) === "  ";
  return isSpaced && /^[A-Za-z]+$/.test(value);
}
