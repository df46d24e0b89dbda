/** In JSON.stringify's output: an escaped backslash, NUL, or a surrogate without its other half. */
const ESCAPE = /\\(?:\\|u0000|ud[89a-f][0-9a-f]{2})/g;

/**
 * PostgreSQL's jsonb has no NUL and no lone surrogate, in texts and in names. Each becomes U+FFFD: an
 * agent must not keep its newest statement from being stored by a character in it.
 */
export function toStorable<T>(statement: T): T {
  const text = JSON.stringify(statement);
  return JSON.parse(text.replace(ESCAPE, (found) => (found === "\\\\" ? found : "\\ufffd"))) as T;
}
