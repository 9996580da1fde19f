import type { Test } from 'tap';

/** The variables that the test command sets for the services it started; see test/services. */
export type ServiceVariable =
  | 'TEST_AMQP_URL'
  | 'TEST_AMQP_MGT_URL'
  | 'TEST_S3_URL'
  | 'TEST_S3_TLS_URL'
  | 'TEST_S3_TLS_FILES'
  | 'TEST_GCS_URL'
  | 'TEST_S5CMD'
  | 'TEST_SQS_URL'
  | 'TEST_SQS_PAGES_URL'
  | 'TEST_PUBSUB_HOST'
  | 'TEST_UV'
  | 'TEST_CLIENT_PYTHON'
  | 'TEST_DOCKER_HOST'
  | 'TEST_REGISTRY'
  | 'TEST_REGISTRY_PRIVATE'
  | 'TEST_IMAGE_TAR'
  | 'TEST_PROMETHEUS'
  | 'TEST_PROMTOOL'
  | 'TEST_OTELCOL'
  | 'TEST_RSYSLOG'
  | 'TEST_HELM'
  | 'TEST_KUBECTL'
  | 'TEST_HADOLINT';

/** The value of `variable`, where the service is there. Where it is missing the running test ends: in CI (`CI=true`) as
 *  failed, elsewhere as skipped, both with the reason. To be called before the test asserts anything:
 *
 *    const amqpUrl = needService(t, 'TEST_AMQP_URL');
 *    if (amqpUrl === undefined) return; */
export const needService = (t: Test, variable: ServiceVariable): string | undefined => {
  const value = process.env[variable];
  if (value) return value;
  const reason = process.env[`${variable}_MISSING`] ?? `${variable} is not set: run this through npm test`;
  if (process.env['CI'] === 'true') t.fail(reason);
  else t.plan(0, reason);
  return undefined;
};
