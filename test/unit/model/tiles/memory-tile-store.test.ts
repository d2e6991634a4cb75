// The contract over the store in memory.
import { MemoryTileStore } from "../../../../src/model/tiles/memory-tile-store.ts";
import { tileStoreContract } from "./tile-store-contract.ts";

tileStoreContract("MemoryTileStore", (budgetBytes) =>
  Promise.resolve({ store: new MemoryTileStore({ budgetBytes }), close: () => Promise.resolve() }),
);
