import type { Report } from "@sonde/service";

/** What runs for each entry of a list of the configuration. */
export type RunningList<Running> = {
  find(name: string): Running | undefined;
  all(): Running[];
  /** Runs what the configuration says now. An entry whose settings are the same goes on undisturbed. */
  reload(): void;
  stop(): Promise<void>;
};

/** @param wanted the list as it is in force */
export function runConfigured<
  Settings extends { name: string },
  Running extends { stop(): Promise<void> },
>(of: {
  wanted: () => readonly Settings[];
  start: (settings: Settings) => Running;
  report: Report;
}): RunningList<Running> {
  const running = new Map<string, { settings: Settings; of: Running }>();
  /** Those that end. One begins anew after its former self has ended. */
  let turn: Promise<void> = Promise.resolve();
  let isStopping = false;

  async function change(wanted: readonly Settings[]): Promise<void> {
    const isWanted = (one: Settings): boolean =>
      wanted.some((settings) => JSON.stringify(settings) === JSON.stringify(one));
    const over = [...running.values()].filter(({ settings }) => !isWanted(settings));
    await Promise.all(over.map((one) => one.of.stop()));
    for (const { settings } of over) running.delete(settings.name);
    for (const settings of wanted) {
      if (!running.has(settings.name)) {
        running.set(settings.name, { settings, of: of.start(settings) });
      }
    }
  }

  const reload = (): void => {
    turn = turn.then(() => change(isStopping ? [] : of.wanted())).catch(of.report);
  };
  reload();
  return {
    find: (name) => running.get(name)?.of,
    all: () => [...running.values()].map((one) => one.of),
    reload,
    async stop() {
      isStopping = true;
      reload();
      await turn;
    },
  };
}
