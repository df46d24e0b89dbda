/**
 * Quotes an argument, so that an approver sees where it ends. Escapes invisible and
 * bidirectional characters.
 */
export function quote(text: string): string {
  if (/^[A-Za-z0-9_.,:;=@%+/<>?&~^*[\]-]+$/.test(text)) return text;
  return JSON.stringify(text).replace(
    /[^\x20-\x7e]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
