// A Web Lock taken where it is free: how the tabs of one profile keep out of each other's numbered slots.

/** Holds a lock until the answered function is called or this thread ends; undefined where another tab holds it. */
export function holdLock(locks: Pick<LockManager, "request">, name: string): Promise<(() => void) | undefined> {
  return new Promise((resolve, reject) => {
    locks
      .request(name, { ifAvailable: true }, (lock) => {
        if (lock === null) {
          resolve(undefined);
          return undefined;
        }
        return new Promise<void>((release) => {
          resolve(release);
        });
      })
      .catch(reject);
  });
}
