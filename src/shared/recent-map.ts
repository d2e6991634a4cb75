// A map of what was noted lately: past its size it forgets what was noted longest ago.

export class RecentMap<Key, Value> extends Map<Key, Value> {
  readonly #most: number;

  /** `most`: entries that are kept. */
  constructor(most: number) {
    super();
    this.#most = most;
  }

  /** As the newest, also where the key was there already. */
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
