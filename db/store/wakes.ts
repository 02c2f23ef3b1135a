import { EventEmitter } from 'node:events';
import type { Knex } from 'knex';

/** The kinds of work that a committed transaction can leave for the relay. */
export type Topic = 'deliveries' | 'commands' | 'audit' | 'operations';

export type Wakes = ReturnType<typeof createWakes>;

const woken = new WeakMap<object, Set<Topic>>();

/** Marks that this transaction leaves work of this kind. Listeners are notified after the commit. */
export function wake(trx: Knex, topic: Topic): void {
  const topics = woken.get(trx) ?? new Set();
  woken.set(trx, topics.add(topic));
}

export function topicsOf(trx: Knex): ReadonlySet<Topic> {
  return woken.get(trx) ?? new Set();
}

/** The listeners of one process. A wake is only a hint, so a regular sweep also looks for the work. */
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
