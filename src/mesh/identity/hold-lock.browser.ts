// Holds a Web Lock if it is free: this is how the tabs of one profile keep out of each other's numbered slots.

/**
 * Returns a function that releases the lock, or undefined if another tab holds it. The lock also ends with this thread.
 */
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
