import { hole, source } from "@sonde/pack-sdk/author";

export const handshake = source.tls({ endpoint: hole.endpoint("endpoint") });
