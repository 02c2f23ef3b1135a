import type { Command } from '../../../db/store/commands.ts';
import { TemporalAway, type TemporalStarter } from '../../../worker/temporal-starter.ts';

/** Plays Temporal for the relay. It records what it receives, and is down or fails on demand. */
export function createFakeTemporal({ delayMs = 0 }: { delayMs?: number } = {}) {
  const handed: Command[] = [];
  const failures: Error[] = [];
  let away = false;
  let asked = 0;
  let refusals = 0;
  let atOnce = 0;
  let mostAtOnce = 0;

  async function take(command: Command): Promise<void> {
    asked += 1;
    atOnce += 1;
    mostAtOnce = Math.max(mostAtOnce, atOnce);
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    atOnce -= 1;
    if (away) {
      refusals += 1;
      throw new TemporalAway('away');
    }
    const failure = failures.shift();
    if (failure) throw failure;
    handed.push(command);
  }

  const starter: TemporalStarter = {
    start: take,
    signal: take,
    signalWithStart: take,
    async isReachable() {
      if (away) refusals += 1;
      return !away;
    },
  };
  return {
    starter,
    handed,
    setAway(value: boolean) {
      away = value;
    },
    failNext(...errors: Error[]) {
      failures.push(...errors);
    },
    get asked() {
      return asked;
    },
    /** How often the relay found Temporal down, with a command or a check. */
    get refusals() {
      return refusals;
    },
    get mostAtOnce() {
      return mostAtOnce;
    },
  };
}
