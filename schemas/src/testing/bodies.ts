import { type HelloBody, type ResultBody } from "../wire/index.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const EMPTY_LOG = { size: 0, hash: `sha256:${"0".repeat(64)}` };

/** The hello of an agent without packs, in the form of release 0.1.0. */
export function buildHello(change: Partial<HelloBody> = {}): HelloBody {
  return {
    name: "web-1",
    agentVersion: "0.1.0",
    bootId: "b",
    os: "o",
    kernel: "k",
    arch: "x64",
    binarySha256: DIGEST,
    configSha256: DIGEST,
    maxCapability: "observe",
    wall: "same-uid",
    packs: [],
    auditHead: EMPTY_LOG,
    registryHead: null,
    ...change,
  };
}

/** The result of a successful call that found nothing. */
export function buildResult(callId: string, change: Partial<ResultBody> = {}): ResultBody {
  return {
    callId,
    status: "ok",
    data: {},
    truncated: false,
    redactions: { count: 0, rules: {} },
    collectedAt: "2026-01-01T00:00:00.000Z",
    reads: [],
    timings: { checks: 0, reads: 0, scrub: 0, guest: 0, audit: 0, total: 0 },
    auditHead: EMPTY_LOG,
    ...change,
  };
}
