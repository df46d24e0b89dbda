// What brings something of the hub to a receiver outside: sinks and witnesses stand on it.
export { type Bell, createBell } from "./core/bell.ts";
export { SinkFailure } from "./core/sink-failure.ts";
export { parseWebhookKeys, signRequest } from "./core/webhook-signature.ts";
export { createAppendedFile } from "./edge/appended-file.ts";
export { createHttpReceiver } from "./edge/http-receiver.ts";
export { createLeases, type Lease } from "./edge/leases.ts";
export { readSecret } from "./edge/private-file.ts";
export { failureOf } from "./edge/receiver-failure.ts";
export { readReceiverTrust } from "./edge/receiver-trust.ts";
export { requireFolder } from "./edge/require-folder.ts";
export { runConfigured } from "./edge/run-configured.ts";
export { runLeased } from "./edge/run-leased.ts";
export { serveReceiver } from "./edge/served-receiver.ts";
export { readWebhookKeys } from "./edge/webhook-keys.ts";
