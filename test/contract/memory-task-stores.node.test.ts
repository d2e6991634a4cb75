// The stores of tasks in memory keep their contract.
import { memoryTaskStores } from "../../src/tasks/memory-task-stores.ts";
import { taskStoresContract } from "./task-stores-contract.ts";

taskStoresContract("MemoryTaskStores", () => Promise.resolve(memoryTaskStores()));
