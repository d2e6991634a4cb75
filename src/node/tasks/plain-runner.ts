// Runs the kinds that any thread computes, in this thread; their code is fetched with the first task.
import { loadKinds, offerOf, PLAIN_KINDS } from "../../tasks/kinds/find-kind.ts";
import { type FetchTile, LocalRunner, type TaskRunner } from "../../tasks/volunteer/local-runner.ts";

export function plainRunner(fetchTile?: FetchTile): TaskRunner {
  let runner: Promise<TaskRunner> | undefined;
  const load = async (): Promise<TaskRunner> => new LocalRunner([...(await loadKinds(PLAIN_KINDS)).values()], fetchTile);
  return {
    kinds: PLAIN_KINDS.map(offerOf),
    run: async (task, context) => {
      runner ??= load().catch((error: unknown) => {
        runner = undefined; // the next task tries again
        throw error;
      });
      return (await runner).run(task, context);
    },
  };
}
