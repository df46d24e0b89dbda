export { makeDataFolder, writePrivateFile } from "./private-file.ts";
export { readConfiguredJson, readConfiguredText } from "./configured-file.ts";
export type { Guard } from "./guard.ts";
export { createHttpServer, type HttpServer, type HttpServerOptions } from "./http-server.ts";
export { keepTrying } from "./keep-trying.ts";
export { listenOnPort, listenOnSocket, readKeptPorts, requireSafeListener } from "./listen.ts";
export { createLogger, type Logger, type Report } from "./logger.ts";
export { createRateLimit, type RateLimit, type RateLimits } from "./rate-limit.ts";
export { runService, type Running, type ServicePorts } from "./run-service.ts";
