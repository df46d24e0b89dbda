export { buildHello, buildResult } from "./bodies.ts";
