// Progress of a load, as the page shows it.

/** Bytes of weights on their way into this tab. `fromCacheBytes` of `doneBytes` came from this browser's storage. */
export interface LoadProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly fromCacheBytes: number;
  /** Measured over the last seconds; 0 until known. */
  readonly bytesPerSecond: number;
  /**
   * The most bytes of this device's memory that the layers will take, caches included. Known from the first event on.
   */
  readonly memoryBytes?: number;
}
