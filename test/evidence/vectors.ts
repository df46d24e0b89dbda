import { join } from "node:path";

/** Files of evidence for whoever writes a verifier. */
export const VECTORS = join(import.meta.dirname, "vectors");
/** What a verifier says of each, by the name of the file. */
export const EXPECTED = join(import.meta.dirname, "expected.json");
/** The file with a pack that was signed with a certificate, as whole as `whole`. */
export const KEYLESS = "whole-with-certificate";
