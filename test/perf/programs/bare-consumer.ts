/** A consumer with nothing around it: AMQP URL and queue on the command line; prints each experiment's key once it is parsed. */
import { connect } from 'amqplib';

const [url = '', queue = ''] = process.argv.slice(2);
const channel = await (await connect(url, { noDelay: true })).createChannel();
await channel.consume(queue, message => {
  if (!message) return;
  const { experiment } = JSON.parse(message.content.toString()) as { experiment: { key: string } };
  process.stdout.write(`${experiment.key}\n`);
  channel.ack(message);
});
process.stdout.write('ready\n');
