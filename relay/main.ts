// The relay as a program: reads the command line, starts a relay, prints the address of its page, and stops cleanly on
// a signal.
import { errorCode, errorMessage } from "../src/shared/errors.ts";
import { HELP, readCommand, type RelayConfig } from "./config.ts";
import { startRelay } from "./relay.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds after a signal at which the process ends, even if something still hangs. */
  stopTimeoutMs: 2000,
});

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

async function run(config: RelayConfig): Promise<void> {
  const relay = await startRelay(config);
  let stopping = false;
  const stop = (): void => {
    if (stopping) process.exit(1); // the second signal
    stopping = true;
    setTimeout(() => process.exit(1), DEFAULTS.stopTimeoutMs).unref();
    relay.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`while stopping: ${errorMessage(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);

  if (relay.moved) say(`Port ${config.port} is taken, so this relay took ${relay.port}.`);
  if (relay.models.length === 0) say("No model is here yet: the page will have nothing to run. See --models.");
  say(`Manyhands is at ${relay.url}  (Ctrl+C stops it)`);
}

try {
  const command = readCommand(process.argv.slice(2), process.env);
  if (command.kind === "help") process.stdout.write(HELP);
  else await run(command.config);
} catch (error) {
  process.stderr.write(`${errorMessage(error)}\n`);
  process.exit(errorCode(error) === "BAD_INPUT" ? 2 : 1);
}
