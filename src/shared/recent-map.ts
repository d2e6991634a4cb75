// A map that remembers its latest entries: when it is full, it forgets the oldest one.

export class RecentMap<Key, Value> extends Map<Key, Value> {
  readonly #most: number;

  /** `most`: number of entries that are kept. */
  constructor(most: number) {
    super();
    this.#most = most;
  }

  /** Makes the entry the newest one, even if the key was there already. */
  override set(key: Key, value: Value): this {
    this.delete(key);
    super.set(key, value);
    for (const oldest of this.keys()) {
      if (this.size <= this.#most) break;
      this.delete(oldest);
    }
    return this;
  }
}
