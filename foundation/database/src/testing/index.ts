export { findFreePort } from "./find-free-port.ts";
export { type Standby, startTestServer, type TestServer } from "./start-test-server.ts";
export { startTestDatabase, serveTestDatabases, type TestDatabase } from "./test-database.ts";
