type Value = { stringValue: string } | { intValue: string };

/** What traces and logs of a hub say about their origin. */
export function resourceOf({ release, hub }: { release: string; hub: string }) {
  return {
    attributes: attributesOf({
      "service.name": "sonde-hub",
      "service.version": release,
      "service.instance.id": hub,
    }),
  };
}

/** In OTLP's JSON 64-bit numbers are texts. */
export function attributesOf(attributes: Readonly<Record<string, string | number>>) {
  return Object.entries(attributes).map(([key, value]): { key: string; value: Value } => ({
    key,
    value: typeof value === "string" ? { stringValue: value } : { intValue: String(value) },
  }));
}

/** Microseconds are as exact as a number of ms since 1970 is. */
export function toNanos(ms: number): string {
  return String(BigInt(Math.round(ms * 1000)) * 1000n);
}
