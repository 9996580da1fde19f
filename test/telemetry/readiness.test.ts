import t from 'tap';
import { createEventBus } from '../../lib/telemetry/events.ts';
import { createReadiness } from '../../lib/telemetry/readiness.ts';

t.test('a lost broker, a runner that is suspended and one that stops are reasons', async t => {
  const bus = createEventBus();
  const { reasons } = createReadiness(bus.events$);
  t.same(reasons(), []);
  bus.emit('broker-lost', { kind: 'rabbitmq', broker: 'b', error: 'refused', retryMs: 1 });
  t.same(reasons(), ['the broker is lost [broker=b]: refused']);
  bus.emit('broker-connected', { kind: 'rabbitmq', broker: 'b' });
  t.same(reasons(), []);
  bus.emit('state-changed', { state: 'DrainAndSuspend' });
  t.same(reasons(), ['it is suspended by its ConfigMap']);
  bus.emit('state-changed', { state: 'Running' });
  t.same(reasons(), []);
  bus.emit('runner-stopping', { why: 'asked to stop' });
  t.same(reasons(), ['it is draining']);
});
