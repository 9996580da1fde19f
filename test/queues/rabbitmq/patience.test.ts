import { mock } from 'node:test';
import type { ChannelModel } from 'amqplib';
import t from 'tap';
import { createPatience, patienceArguments } from '../../../lib/queues/rabbitmq/patience.ts';
import { createEventBus, type RunnerEvent } from '../../../lib/telemetry/events.ts';

const minute = 60_000;
const queue = { kind: 'rabbitmq', name: 'rmq_q' } as const;
const brokerOf = (version: string) => ({ connection: { serverProperties: { version } } }) as unknown as ChannelModel;

const watching = () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const bus = createEventBus();
  const events: RunnerEvent[] = [];
  bus.events$.subscribe(event => events.push(event));
  return { events, patience: createPatience('broker/vhost', bus.emit) };
};
t.afterEach(() => mock.timers.reset());

t.test('a consumer asks for patience where the broker hears of it, and nowhere else', t => {
  for (const version of ['3.8.9', '3.10.8', '3.12.0', '3.13.7', '4.0.5', '4.2.1']) {
    t.strictSame(patienceArguments(brokerOf(version)), {}, version);
  }
  for (const version of ['4.3.0', '4.3.0-rc.1', '5.0.0']) {
    t.strictSame(patienceArguments(brokerOf(version)), { 'x-consumer-timeout': 97 * 60 * minute }, version);
  }
  t.end();
});

for (const [version, limitMinutes, remedy] of [
  ['3.8.16', 15, /^let the user of AMQP_URL declare queues.*consumer_timeout in rabbitmq\.conf/],
  ['3.10.8', 30, /^let the user of AMQP_URL declare queues.*consumer_timeout in rabbitmq\.conf/],
  ['3.12.14', 30, /^set a policy consumer-timeout .* on queue rmq_q/],
  ['4.1.3', 30, /^set a policy consumer-timeout .* on queue rmq_q/],
] as const) {
  t.test(`on ${version} an operator is told a third before the broker's time is over, and what to do`, t => {
    const { events, patience } = watching();
    patience.watch(queue, brokerOf(version), new AbortController().signal);
    mock.timers.tick((limitMinutes * minute * 2) / 3 - 1);
    t.strictSame(events, []);
    mock.timers.tick(1);
    t.match(events, [{ event: 'patience-ending', queue: 'rmq_q' }]);
    t.match(events[0]?.fields, { limitMs: limitMinutes * minute, leftMs: (limitMinutes * minute) / 3, remedy });
    t.end();
  });
}

t.test('nobody is told of a broker that waits for ever, or of what is settled in time', t => {
  const { events, patience } = watching();
  patience.watch(queue, brokerOf('3.8.9'), new AbortController().signal);
  const stop = patience.watch(queue, brokerOf('4.1.3'), new AbortController().signal);
  stop();
  mock.timers.tick(60 * minute);
  t.strictSame(events, []);
  t.end();
});
