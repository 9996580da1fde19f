import t from 'tap';
import { openEnv } from '../../lib/request/open-env.ts';

t.test('what looks secret, URLs with a user in them, and what makes up the URL of a broker is not open', async t => {
  const env = {
    PATH: '/bin',
    PGPASSWORD: 'a',
    SLACK_HOOK: 'https://hooks.slack.com/x',
    AMQP_URL: 'amqp://$USER_NAME:${RMQ_PW}@host',
    USER_NAME: 'u',
    RMQ_PW: 'p',
    INDEX: 'https://user:word@host/simple',
    PLAIN_URL: 'https://host/simple',
    HTTPS_PROXY: 'http://user:word@proxy',
    UNSET: undefined,
  };
  t.same(openEnv(env), {
    PATH: '/bin',
    PLAIN_URL: 'https://host/simple',
    HTTPS_PROXY: 'http://user:word@proxy',
  });
});
