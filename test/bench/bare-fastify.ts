// Baseline for an HTTP answer: a bare Fastify that returns a JSON body, or echoes one.
import type { AddressInfo } from "node:net";
import Fastify from "fastify";

const app = Fastify();
const metadata = { name: "acme/hello", text: "x".repeat(2000) };
app.get("/", () => metadata);
app.post("/", (request) => ({ results: [request.body] }));
await app.listen({ host: "127.0.0.1", port: 0 });
process.stdout.write(`${(app.server.address() as AddressInfo).port}\n`);
process.stdin.resume().on("end", () => process.exit(0));
