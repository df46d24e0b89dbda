export { createPublisherKey, type PublisherKey } from "./create-publisher-key.ts";
export { signArchive } from "./sign-archive.ts";
