// Bytes on their way, as a person is shown them.

/** Bytes of weights on their way into this tab. `fromCacheBytes` of `doneBytes` came from this browser's storage. */
export interface LoadProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly fromCacheBytes: number;
  /** Measured over the last seconds; 0 until known. */
  readonly bytesPerSecond: number;
  /** Bytes of this device's memory that the layers will take at the highest, caches included; told from the first event on. */
  readonly memoryBytes?: number;
}
