// The store of outputs in memory keeps its contract.
import { MemoryOutputStore } from "../../src/inference/log/output-store.ts";
import { outputStoreContract } from "./output-store-contract.ts";

outputStoreContract(
  "MemoryOutputStore",
  () => Promise.resolve(new MemoryOutputStore()),
  () => {},
);
