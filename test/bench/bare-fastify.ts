// The floor of an HTTP answer: a bare Fastify that takes a JSON body and gives one back.
import type { AddressInfo } from "node:net";
import Fastify from "fastify";

const app = Fastify();
app.post("/", (request) => ({ results: [request.body] }));
await app.listen({ host: "127.0.0.1", port: 0 });
process.stdout.write(`${(app.server.address() as AddressInfo).port}\n`);
process.stdin.resume().on("end", () => process.exit(0));
