// What is asked for many times in one turn of the event loop, and is to be done once.

/** Answers a function that has `act` done at the end of the turn in which it is called, once however often that is. */
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
