import { Gauge, type Registry } from 'prom-client';
import type { TrafficControl } from '../../broker/traffic/traffic.ts';

/** Tenants name hosts. If more than this many are down, the rest share the label `other`. */
const mostHosts = 20;

/** Registers gauges that are read at each scrape. Nothing is counted in between. Each process has its own view. */
export function measureTraffic(traffic: Pick<TrafficControl, 'clockOffByMs' | 'hostsDown'>, registry: Registry): void {
  const registers = [registry];
  new Gauge({
    name: 'fairlead_clock_offset_seconds',
    help: 'How far the clock of this machine is ahead of the providers’',
    registers,
    collect() {
      this.set(traffic.clockOffByMs() / 1000);
    },
  });
  new Gauge({
    name: 'fairlead_hosts_unavailable',
    help: 'Provider hosts to which this process sends nothing just now, because they do not respond',
    labelNames: ['host'],
    registers,
    collect() {
      const names = traffic.hostsDown().map((origin) => origin.replace(/^\w+:\/\//, ''));
      this.reset();
      for (const host of names.slice(0, mostHosts)) this.set({ host }, 1);
      if (names.length > mostHosts) this.set({ host: 'other' }, names.length - mostHosts);
    },
  });
}
