import type { Manifest } from "@sonde/schemas/manifest";
import { buildSampleArchive, buildSampleManifest, createSampleKey } from "@sonde/trust/testing";
import { type Answer, type TestRegistry, type Upload, signUpload } from "./test-registry.ts";

type Publication = { readme?: string; code?: string; manifest?: Partial<Manifest> };

/** A publisher of a running registry, with a key of its own. */
export type TestPublisher = {
  /** A token of role owner. */
  token: string;
  /** Signs an archive for a path. */
  sign(archive: Uint8Array, path: string): Upload;
  /** Publishes a sample as `NAME/pack`. Throws unless it is new. */
  publish(pack: string, version: string, more?: Publication): Promise<void>;
  /** Changes a pack or version, for example by `hello/1.0.0/yank`. */
  say(path: string, body: object): Promise<Answer>;
};

export async function addTestPublisher(
  registry: TestRegistry,
  name: string,
): Promise<TestPublisher> {
  const key = createSampleKey();
  const token = await registry.addPublisher(name, key);
  const sign = (archive: Uint8Array, path: string) => signUpload(archive, path, key, token);
  return {
    token,
    sign,
    async publish(pack, version, more = {}) {
      const manifest = { name: `${name}/${pack}`, version, ...more.manifest };
      const archive = buildSampleArchive({ ...more, manifest });
      const answer = await registry.publish(sign(archive, `${name}/${pack}/${version}`));
      if (answer.status !== 201) throw new Error(JSON.stringify(answer));
    },
    say: (path, body) => registry.send("PUT", `/api/v1/packs/${name}/${path}`, token, body),
  };
}

/** Returns the sample's one probe under another name. */
export function buildSampleProbes(probe: string, description: string): Manifest["probes"] {
  const { greet } = buildSampleManifest().probes;
  if (greet === undefined) throw new Error("expected the sample's probe");
  return { [probe]: { ...greet, description } };
}
