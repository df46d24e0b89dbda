// Entry of a pack host: the child of a runner that holds one pack's isolate, and nothing else.
import { serveGuest } from "./serve-guest.ts";

// Without its runner it has no purpose. SIGKILL, since `process.exit` would wait for an
// isolate that may be in an endless loop.
process.stdin.on("end", () => process.kill(process.pid, "SIGKILL"));
process.stdin.on("error", () => process.kill(process.pid, "SIGKILL"));
serveGuest(process.stdin, process.stdout);
