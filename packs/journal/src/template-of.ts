const MOST = 300;

/**
 * A message without what differs from one time to the next: numbers, addresses, ids, quoted texts.
 * Messages of one template are one kind of trouble.
 */
export function templateOf(message: string): string {
  return message
    .slice(0, MOST)
    .replace(/\[redacted:([a-z-]+)#\d+\]/g, "[redacted:$1]")
    .replace(/"[^"]*"|'[^']*'/g, '"*"')
    .replace(/\b(?:0x)?(?=[0-9a-f-]*\d)[0-9a-f]{6,}(?:-[0-9a-f]{4,})*\b/gi, "*")
    .replace(/\d+(?:[.:,]\d+)*/g, "*");
}
