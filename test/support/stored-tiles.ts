// Looks into a page's tile database from outside: which tiles are there, and whether they match their hashes.
import type { Page } from "@playwright/test";

/**
 * Counts the stored tiles whose bytes match their hash, and those whose bytes do not. The page must have closed the
 * database, or never opened it for writing.
 */
export function readStoredTiles(page: Page): Promise<{ readonly good: number; readonly bad: number }> {
  return page.evaluate(async () => {
    const known = (await indexedDB.databases()).some(({ name }) => name === "manyhands-tiles");
    if (!known) return { good: 0, bad: 0 };
    const settled = <T>(request: IDBRequest<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(new Error(request.error?.message));
      });
    const database = await settled(indexedDB.open("manyhands-tiles"));
    const bytes = database.transaction("bytes").objectStore("bytes");
    const [hashes, tiles] = await Promise.all([settled(bytes.getAllKeys()), settled<Uint8Array<ArrayBuffer>[]>(bytes.getAll())]);
    database.close();
    let good = 0;
    for (const [index, tile] of tiles.entries()) {
      const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", tile));
      if (hash.reduce((hex, byte) => hex + byte.toString(16).padStart(2, "0"), "") === hashes[index]) good++;
    }
    return { good, bad: tiles.length - good };
  });
}

/** Flips one bit of one stored tile. */
export async function damageStoredTile(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const settled = <T>(request: IDBRequest<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(new Error(request.error?.message));
      });
    const database = await settled(indexedDB.open("manyhands-tiles"));
    const bytes = database.transaction("bytes", "readwrite").objectStore("bytes");
    const [hash] = await settled(bytes.getAllKeys());
    if (hash === undefined) throw new Error("no tile is stored");
    const tile = await settled<Uint8Array<ArrayBuffer>>(bytes.get(hash));
    tile[tile.length >>> 1] = (tile[tile.length >>> 1] ?? 0) ^ 1;
    await settled(bytes.put(tile, hash));
    database.close();
  });
}
