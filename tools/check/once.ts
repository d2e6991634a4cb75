// Finds a second piece of code for a thing that the project has once: each such thing has a home, and a shape that
// betrays another.
import fs from "node:fs";
import path from "node:path";
import type { CheckContext, Outcome } from "./check.ts";

interface Once {
  readonly name: string;
  /** The only files that may have it. */
  readonly homes: readonly string[];
  /** What only a second implementation would contain. */
  readonly shapes: readonly RegExp[];
}

const ONCE: readonly Once[] = [
  {
    name: "a backoff",
    homes: ["src/shared/backoff.ts"],
    shapes: [
      // A pause that doubles: a factor to the power of a count of failures, or a wait that is doubled.
      /\b2\s*\*\*\s*[^;\n]*\b\w*(?:fail|attempt|tries|retr|strike)\w*/i,
      /\w*(?:[pP]ause|[rR]etry|[dD]elay|[wW]ait|[bB]ackoff)Ms\s*(?:\*=\s*2\b|=\s*[^;\n]*\*\s*2\b|=\s*[^;\n]*\b2\s*\*)/,
      /\b(?:function|class|const)\s+\w*[bB]ackoff\w*\s*(?:\(|=\s*\(|=\s*async|\{|extends)/,
    ],
  },
  {
    name: "a wait that an AbortSignal ends",
    homes: ["src/shared/abort.ts", "src/shared/clock.ts"],
    shapes: [/addEventListener\("abort",[^\n]*\breject\b/, /const onAbort = \(\): void => reject\(/],
  },
  {
    name: "a token bucket",
    homes: ["relay/rate-limit.ts", "relay/http/rate-limit.ts"],
    shapes: [/\btokens\s*(?:\+=|=)\s*[^;\n]*(?:perSecond|refill)/i, /\brefill\w*\s*=\s*[^;\n]*(?:second|Ms\b)/i],
  },
];

/** Second homes that one source text gives to things that the project has once. */
export function secondHomes(file: string, text: string): readonly string[] {
  return ONCE.filter(({ homes }) => !homes.includes(file)).flatMap(({ name, homes, shapes }) =>
    shapes.flatMap((shape) => {
      const match = shape.exec(text);
      if (match === null) return [];
      const line = text.slice(0, match.index).split("\n").length;
      return [`${file}:${line}: looks like ${name}, which ${homes[0]} has already: ${match[0].trim()}`];
    }),
  );
}

export async function once({ root, files }: CheckContext): Promise<Outcome> {
  const sources = (await files()).filter((file) => /^(src|relay)\/.*\.ts$/.test(file));
  const missing = ONCE.filter(({ homes }) => !homes.some((home) => sources.includes(home)));
  const found = sources.flatMap((file) => secondHomes(file, fs.readFileSync(path.join(root, file), "utf8")));
  const lost = missing.map(({ name, homes }) => `${homes[0]} is gone, which should be the home of ${name}: mend tools/check/once.ts`);
  return { passed: found.length + lost.length === 0, output: [...found, ...lost].join("\n") };
}
