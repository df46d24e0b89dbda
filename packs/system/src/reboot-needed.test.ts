import { expect, test } from "vitest";
import { rebootNeeded } from "./reboot-needed.ts";

const look = (data: object) => ({
  ok: true as const,
  samples: [{ at: 0, truncated: false, data }],
});
const fails = (code: "SOURCE_NOT_FOUND" | "PERMISSION_NEEDED") => ({
  ok: false as const,
  failure: { code, message: "-" },
});
const boot = (...names: string[]) => look({ entries: names.map((name) => ({ name })) });

function ask(reads: Record<string, object>) {
  const all = {
    kernel: look({ text: "6.1.0-9-amd64\n" }),
    kernels: fails("SOURCE_NOT_FOUND"),
    required: fails("SOURCE_NOT_FOUND"),
    packages: fails("SOURCE_NOT_FOUND"),
    ...reads,
  };
  return rebootNeeded.call({ params: {}, now: 0, reads: all });
}

test("a newer kernel beside the running one needs a reboot; 10 is newer than 9", () => {
  const kernels = boot("vmlinuz-6.1.0-10-amd64", "vmlinuz-6.1.0-9-amd64", "initrd.img-6.1.0-11");
  expect(ask({ kernels })).toMatchObject({
    needed: true,
    reasons: ["kernel 6.1.0-10-amd64 is installed"],
    newestInstalledKernel: "6.1.0-10-amd64",
  });
  expect(ask({ kernels: boot("vmlinuz-6.1.0-9-amd64", "vmlinuz-6.1.0-8-amd64") })).toMatchObject({
    needed: false,
    newestInstalledKernel: "6.1.0-9-amd64",
  });
});

test("kernels of another machine, as in a container, say nothing", () => {
  expect(ask({ kernels: boot("vmlinuz-6.5.0-1-amd64") })).toMatchObject({
    needed: false,
    newestInstalledKernel: null,
  });
});

test("packages that asked for it are named once", () => {
  const asked = { required: look({ text: "*** System restart required ***\n" }) };
  expect(ask({ ...asked, packages: look({ text: "libc6\ndbus\nlibc6\n" }) })).toMatchObject({
    needed: true,
    reasons: ["a package asked for it"],
    packages: ["dbus", "libc6"],
  });
});

test("a look that failed is not a no", () => {
  expect(ask({ required: fails("PERMISSION_NEEDED") })).toMatchObject({ needed: null });
});
