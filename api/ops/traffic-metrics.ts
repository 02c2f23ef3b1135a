import { Gauge, type Registry } from 'prom-client';
import type { TrafficControl } from '../../broker/traffic/traffic.ts';

/** Registers gauges that are read at each scrape. Nothing is counted in between. */
export function measureTraffic(traffic: TrafficControl, registry: Registry): void {
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
    help: 'Provider hosts that are left alone just now, since they do not answer',
    registers,
    collect() {
      this.set(traffic.hostsDown());
    },
  });
}
