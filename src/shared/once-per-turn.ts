// Joins calls: many in one turn of the event loop become one.

/**
 * Returns a function that has `act` called at the end of the turn: once, however often
 * the function is called in that turn.
 */
export function oncePerTurn(act: () => void): () => void {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    queueMicrotask(() => {
      isDue = false;
      act();
    });
  };
}
