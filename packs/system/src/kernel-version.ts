import { probe, t } from "@sonde/pack-sdk/author";
import { splitWords } from "@sonde/pack-sdk/parse";
import * as sources from "./sources.ts";

export const kernelVersion = probe({
  description:
    "Name, release and machine architecture of the running kernel, as the uname command reports them. " +
    "The release is the kernel that runs, which after an upgrade without a reboot is not the one installed.",
  result: t.object({ name: t.string(), release: t.string(), architecture: t.string() }),
  reads: { uname: sources.uname },
  run({ reads }) {
    const [name, release, architecture] = splitWords(reads.uname.stdout);
    if (name === undefined || release === undefined || architecture === undefined) {
      throw new Error("expected three words from uname -srm, got fewer");
    }
    return { name, release, architecture };
  },
});
