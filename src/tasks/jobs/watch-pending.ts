// Watches something that may not be there yet.

/**
 * Calls `watch` once `source` has resolved, unless it was stopped before. Returns the function that stops it, at either
 * time. `onMissing` gets the error if there is nothing to watch.
 */
export function watchPending<Source>(
  source: Promise<Source>,
  watch: (source: Source) => () => void,
  onMissing: (error: unknown) => void,
): () => void {
  const stop = new AbortController();
  source
    .then((found) => {
      if (!stop.signal.aborted) stop.signal.addEventListener("abort", watch(found), { once: true });
    })
    .catch(onMissing);
  return () => stop.abort();
}
