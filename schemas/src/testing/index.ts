export { buildHello, buildProcess, buildResult, buildRights, buildStatement } from "./bodies.ts";
