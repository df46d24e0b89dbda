/**
 * Takes SIGHUP over, which ends a process otherwise. `use` says what it does from then on, once for each
 * and one after the other; those that came before count then.
 */
export function holdHangUps(): { use(onHangUp: () => Promise<void> | void): void } {
  const begun = Promise.withResolvers<() => Promise<void> | void>();
  let turn = Promise.resolve();
  process.on("SIGHUP", () => {
    turn = turn.then(async () => (await begun.promise)());
  });
  return { use: begun.resolve };
}
