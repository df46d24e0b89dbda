/** Finds the subjects by which people and OAuth clients are in records, also those that have ended. */
export type Subjects = {
  ofPerson(id: string): Promise<string[]>;
  ofClient(id: string): Promise<string[]>;
};

/** A person acts themselves, by the keys that they made and by the grants that they gave. */
export function createSubjects(
  keys: { listMadeBy(personId: string): Promise<string[]> },
  grants: { listIds(of: { personId: string } | { clientId: string }): Promise<string[]> },
): Subjects {
  const grantsOf = async (of: { personId: string } | { clientId: string }): Promise<string[]> =>
    (await grants.listIds(of)).map((id) => `grant:${id}`);
  return {
    async ofPerson(personId) {
      const own = await keys.listMadeBy(personId);
      const granted = await grantsOf({ personId });
      return [`person:${personId}`, ...own.map((id) => `key:${id}`), ...granted];
    },
    ofClient: (clientId) => grantsOf({ clientId }),
  };
}
