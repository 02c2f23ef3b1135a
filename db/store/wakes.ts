import { EventEmitter } from 'node:events';
import type { Knex } from 'knex';

/** What a committed transaction may have left for the relay to do. */
export type Topic = 'deliveries' | 'commands' | 'audit' | 'operations';

export type Wakes = ReturnType<typeof createWakes>;

const woken = new WeakMap<object, Set<Topic>>();

/** Remembers that this transaction leaves work behind; whoever listens hears of it after the commit. */
export function wake(trx: Knex, topic: Topic): void {
  const topics = woken.get(trx) ?? new Set();
  woken.set(trx, topics.add(topic));
}

export function topicsOf(trx: Knex): ReadonlySet<Topic> {
  return woken.get(trx) ?? new Set();
}

/** Listeners of one process. A wake is a hint: what must not be missed is also swept for. */
export function createWakes() {
  const emitter = new EventEmitter();
  emitter.setMaxListeners(0);
  return {
    emit(topic: Topic): void {
      emitter.emit(topic);
    },
    on(topic: Topic, listener: () => void): () => void {
      emitter.on(topic, listener);
      return () => {
        emitter.off(topic, listener);
      };
    },
  };
}
