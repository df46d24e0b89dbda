import { writeFile } from "node:fs/promises";
import { createPublisherKey } from "@sonde/pack-sdk/sign";
import type { AddCommand } from "./add-command.ts";
import { startCommand } from "./add-command.ts";

export const addCreateKey: AddCommand = (program, report) => {
  startCommand(
    program,
    "create-key <file>",
    "make a publisher's RSA key: FILE, and FILE.pub to hand out",
  ).action((file: string, _options, command) =>
    report(command, async () => {
      const { privateKey, publicKeyPem, keyId } = await createPublisherKey();
      const pem = privateKey.export({ type: "pkcs8", format: "pem" });
      // `wx`: an existing key is never overwritten.
      await writeFile(file, pem, { flag: "wx", mode: 0o600 });
      await writeFile(`${file}.pub`, publicKeyPem, { flag: "wx" });
      return {
        data: { file, publicKeyFile: `${file}.pub`, keyId },
        text:
          `Made ${file} (keep it secret) and ${file}.pub\n  key ${keyId}\n` +
          `  next: give ${file}.pub to the registry's operator and to whoever runs agents`,
      };
    }),
  );
};
