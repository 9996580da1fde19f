/** A long poll with nothing around it: endpoint and URL of an SQS queue on the command line; prints each experiment's key once it is parsed. */
import { DeleteMessageCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { sqsClient } from '../../helpers/sqs.ts';

const [endpoint = '', QueueUrl = ''] = process.argv.slice(2);
const client = sqsClient(endpoint);
process.stdout.write('ready\n');
for (;;) {
  const { Messages = [] } = await client.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }));
  for (const { Body = '', ReceiptHandle } of Messages) {
    const { experiment } = JSON.parse(Body) as { experiment: { key: string } };
    process.stdout.write(`${experiment.key}\n`);
    await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
  }
}
